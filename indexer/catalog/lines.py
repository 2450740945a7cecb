"""Lines of a byte stream, in memory that is bounded however long a line is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from engine.errors import CatalogError
from indexer.catalog.lookahead import READ_ERRORS
from indexer.catalog.rejects import RECORD_BYTES_KEPT

UTF8_BOM = b"\xef\xbb\xbf"
_SKIP_BYTES = 1 << 16


class Line(NamedTuple):
    """One line, line end included."""

    number: int
    content: bytes
    length: int
    """Bytes of the whole line."""
    too_long: bool
    """Whether `content` holds only the beginning, because the line is longer than allowed."""


class LineStream(Protocol):
    """A stream of bytes with a bounded `readline`."""

    def readline(self, size: int, /) -> bytes:
        """Return bytes up to and with the next line feed, at most `size`; none at the end."""
        ...


def read_lines(stream: LineStream, source: str, max_bytes: int) -> Iterator[Line]:
    """Yield the lines of `stream`, numbered from 1, a byte order mark at its start left out.

    A line of more than `max_bytes` (its line feed not counted) is skipped while its length is
    counted; only its beginning is yielded.

    Raises:
        CatalogError: the stream broke off (truncated or corrupt gzip, read error). Whole lines
            before that were yielded.
    """
    number = 0
    while True:
        number += 1
        try:
            content = stream.readline(max_bytes + 1)
            length = len(content)
            too_long = length > max_bytes and not content.endswith(b"\n")
            if too_long:
                content = content[:RECORD_BYTES_KEPT]
                length += _skip_line(stream)
        except READ_ERRORS as error:
            raise broken_off(source, number, error) from error
        if not content:
            return
        if number == 1 and content.startswith(UTF8_BOM):
            content = content[len(UTF8_BOM) :]
            length -= len(UTF8_BOM)
            if not content:
                continue
        yield Line(number, content, length, too_long)


def _skip_line(stream: LineStream) -> int:
    skipped = 0
    while chunk := stream.readline(_SKIP_BYTES):
        skipped += len(chunk)
        if chunk.endswith(b"\n"):
            break
    return skipped


def broken_off(source: str, line: int, error: Exception) -> CatalogError:
    """Return the error for a file whose reading failed at `line`."""
    if isinstance(error, EOFError):
        return CatalogError(
            f"{source}:{line}: the gzip file ends too early, it was cut off. Copy it again."
        )
    if isinstance(error, OSError) and error.errno is not None:
        return CatalogError(
            f"{source}:{line}: reading failed: {error.strerror}. Check the disk or connection."
        )
    return CatalogError(
        f"{source}:{line}: the gzip file is damaged ({error}). Copy it again or check it with "
        "gzip -t."
    )
