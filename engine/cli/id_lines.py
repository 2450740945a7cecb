"""Ids from a file or from standard input, one a line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

from engine.errors import CatalogError, UsageError
from engine.named_files import reading_error

_BOM = b"\xef\xbb\xbf"
# An id has at most 65,535 bytes; what is longer is no list of ids.
_MAX_LINE_BYTES = 1 << 17


def read_ids(file: Path) -> list[str]:
    """Return the ids in a file, `-` for standard input; blank lines are skipped.

    Raises:
        InputNotFoundError: there is no such file, or it is a folder.
        CatalogError: the file cannot be read, or is no list of ids.
        UsageError: standard input is closed.
    """
    if str(file) == "-":
        if sys.stdin is None:
            raise UsageError("standard input is closed; give the ids as arguments")
        return _ids(sys.stdin.buffer, "<stdin>")
    try:
        with file.open("rb") as stream:
            return _ids(stream, str(file))
    except OSError as error:
        kind = reading_error(error, CatalogError)
        raise kind(f"{file}: the ids cannot be read: {error.strerror}") from error


def _ids(stream: BinaryIO, name: str) -> list[str]:
    ids = []
    number = 0
    while line := stream.readline(_MAX_LINE_BYTES):
        number += 1
        if number == 1:
            line = line.removeprefix(_BOM)
        if len(line) == _MAX_LINE_BYTES:
            raise CatalogError(f"{name}:{number}: the line is too long for an id; nothing was done")
        try:
            text = line.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise CatalogError(
                f"{name}:{number}: the line is not valid UTF-8; nothing was done"
            ) from None
        if text and not text.isspace():
            ids.append(text)
    return ids
