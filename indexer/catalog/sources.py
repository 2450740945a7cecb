"""Opening the files of a catalog: plain, gzip, or standard input."""

from __future__ import annotations

import gzip
import io
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from engine.errors import CatalogError, InputNotFoundError
from engine.named_files import NO_FILE_THERE
from indexer.catalog.formats import GZIP_MAGIC, CatalogFormat, detect_format
from indexer.catalog.lines import broken_off
from indexer.catalog.lookahead import READ_ERRORS, ByteSource, Lookahead

STDIN_NAME = "<stdin>"
_HEAD_BYTES = 1 << 16
_BUFFER_BYTES = 1 << 17


@dataclass(frozen=True)
class OpenCatalog:
    """A file that has been opened and recognised."""

    format: CatalogFormat
    stream: io.BufferedReader
    """Decompressed bytes from the beginning."""
    raw: Lookahead

    @property
    def position(self) -> int:
        """Bytes taken from the file so far, compressed ones where it is compressed."""
        return self.raw.position


@dataclass(frozen=True)
class CatalogSource:
    """One catalog as the user named it.

    Attributes:
        name: for messages and records: the path as given, or `<stdin>`.
        path: None for standard input.
        size: bytes of the file as it lies on disk; None where it is not a regular file.
    """

    name: str
    path: Path | None
    size: int | None

    @classmethod
    def find(cls, path: str | os.PathLike[str], stdin: Path | None = None) -> CatalogSource:
        """Return the source for a path, or for `-`, after checking that it can be read.

        Args:
            path: the file, or `-` for standard input.
            stdin: the file with what standard input gave, where that was taken already.

        Raises:
            InputNotFoundError: nothing is there, or it is a directory.
            CatalogError: it is empty or not permitted.
        """
        given = os.fspath(path)
        if given == "-":
            size = None if stdin is None else stdin.stat().st_size
            return cls(STDIN_NAME, stdin, size)
        try:
            status = Path(given).stat()
        except (OSError, ValueError) as error:
            raise _unopened(given, error) from error
        if stat.S_ISDIR(status.st_mode):
            raise InputNotFoundError(f"{given}: this is a directory. Name the files in it.")
        if not stat.S_ISREG(status.st_mode):
            # A named pipe can be opened once only: all that can be checked now is the permission.
            if not os.access(given, os.R_OK):
                raise _unopened(given, PermissionError())
            return cls(given, Path(given), None)
        if status.st_size == 0:
            raise empty(given)
        return cls(given, Path(given), status.st_size)

    @contextmanager
    def open(self, chosen_fields: tuple[str, ...] = ()) -> Iterator[OpenCatalog]:
        """Open the source, decompress it if it is gzip (by its content), and detect its format.

        Args:
            chosen_fields: field names that the user gave; they help to recognise a CSV header.

        Raises:
            CatalogError: it cannot be opened, is empty, or is of a kind that is not read.
        """
        with ExitStack() as stack:
            try:
                file = self._binary(stack)
                raw = Lookahead(file)
                stack.callback(raw.close)
                content = raw
                if raw.head(len(GZIP_MAGIC)) == GZIP_MAGIC:
                    packed = io.BufferedReader(raw, _BUFFER_BYTES)
                    content = Lookahead(stack.enter_context(gzip.GzipFile(fileobj=packed)))
                head = content.head(_HEAD_BYTES, one_line=self.size is None)
            except READ_ERRORS as error:
                if isinstance(error, OSError) and error.errno is not None:
                    raise _unopened(self.name, error) from error
                raise broken_off(self.name, 1, error) from error
            if not head:
                raise empty(self.name)
            format_ = detect_format(head, self.name, chosen_fields)
            if format_ is CatalogFormat.PARQUET and (content is not raw or self.size is None):
                raise CatalogError(
                    f"{self.name}: Parquet is read from a plain file only. Save it as one, "
                    "without gzip."
                )
            yield OpenCatalog(format_, io.BufferedReader(content, _BUFFER_BYTES), raw)

    def check(self, chosen_fields: tuple[str, ...] = ()) -> None:
        """Open a regular file and close it again, so that errors show before any work is done.

        Raises:
            CatalogError: as `open`.
        """
        if self.size is not None:
            with self.open(chosen_fields):
                pass

    def _binary(self, stack: ExitStack) -> ByteSource:
        if self.path is not None:
            return stack.enter_context(self.path.open("rb"))
        if sys.stdin is None:
            raise CatalogError(f"{STDIN_NAME}: standard input is closed. Name a file instead.")
        return cast(ByteSource, sys.stdin.buffer)


class EmptyCatalogError(CatalogError):
    """There is nothing in a source."""


def empty(name: str) -> EmptyCatalogError:
    """Return the error for a source in which there is nothing."""
    return EmptyCatalogError(f"{name}: the file is empty. Check how it was written.")


def _unopened(name: str, error: Exception) -> CatalogError:
    if isinstance(error, NO_FILE_THERE):
        return InputNotFoundError(f"{name}: there is no such file. Check the path.")
    if isinstance(error, PermissionError):
        return CatalogError(f"{name}: no permission to read it. Try: chmod +r FILE.")
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return CatalogError(f"{name}: it cannot be opened: {reason}. Check the path.")
