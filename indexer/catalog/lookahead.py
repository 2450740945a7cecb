"""A byte stream whose beginning can be looked at, even where seeking is impossible (a pipe)."""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

READ_ERRORS = (OSError, EOFError, zlib.error)
"""What reading can raise; EOFError and zlib.error, and OSError too, come from damaged gzip."""


class ByteSource(Protocol):
    """Anything that gives some bytes at a time: files, pipes, `gzip.GzipFile`, `io.BytesIO`."""

    def read1(self, size: int, /) -> bytes:
        """Return up to `size` bytes, fewer only when no more are at hand, none at the end."""
        ...


class Lookahead(io.RawIOBase):
    """A raw stream over `source` with a `head` that is looked at before it is read.

    `position` counts the bytes taken from `source`. Wrap it in `io.BufferedReader` to read.
    """

    def __init__(self, source: ByteSource) -> None:
        super().__init__()
        self._source = source
        self._pending = b""
        self.position = 0

    def head(self, size: int, *, one_line: bool = False) -> bytes:
        """Return up to the first `size` bytes without consuming them.

        With `one_line` the first line that is not blank is enough, so that a slow pipe isn't
        waited for longer than needed. Damage further on is left for the reading to find.

        Raises:
            OSError, EOFError, zlib.error: not a single byte could be read.
        """
        while len(self._pending) < size:
            if one_line and b"\n" in self._pending.lstrip():
                break
            try:
                chunk = self._source.read1(size - len(self._pending))
            except READ_ERRORS:
                if self._pending:
                    break
                raise
            if not chunk:
                break
            self.position += len(chunk)
            self._pending += chunk
        return self._pending[:size]

    def readable(self) -> bool:
        """Return True: this is a stream to read from."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill `buffer` from the looked-at bytes first, then from the source."""
        view = memoryview(buffer)
        if self._pending:
            chunk, self._pending = self._pending[: len(view)], self._pending[len(view) :]
        else:
            chunk = self._source.read1(len(view))
            self.position += len(chunk)
        view[: len(chunk)] = chunk
        return len(chunk)
