"""Queries from standard input, one a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

# Four times the most characters of a query that the engine takes: longer lines cannot be queries,
# and are not held in memory.
_MAX_LINE_BYTES = 1 << 18
_BOM = b"\xef\xbb\xbf"


class QueryLine(NamedTuple):
    """A line that is not blank: its number from 1, its text, and what is wrong with it if anything.

    Text that is not valid UTF-8 has escapes in the place of its wrong bytes.
    """

    number: int
    text: str
    error: str | None = None


def read_query_lines(stream: BinaryIO) -> Iterator[QueryLine]:
    """Yield the lines of a stream as soon as each is there; blank ones are skipped."""
    number = 0
    while line := stream.readline(_MAX_LINE_BYTES):
        number += 1
        if number == 1:
            line = line.removeprefix(_BOM)
        if len(line) == _MAX_LINE_BYTES and not line.endswith(b"\n"):
            _skip_line(stream)
            text = line[:100].decode("utf-8", "backslashreplace") + "…"
            yield QueryLine(number, text, "the line is too long to be a query")
            continue
        try:
            text = line.decode().strip()
        except UnicodeDecodeError:
            text = line.decode("utf-8", "backslashreplace").strip()
            yield QueryLine(number, text, "the line is not valid UTF-8")
            continue
        if text:
            yield QueryLine(number, text)


def _skip_line(stream: BinaryIO) -> None:
    while (rest := stream.readline(_MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
        pass
