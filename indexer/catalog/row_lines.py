"""The lines that a CSV parser is fed with, and their way back when a quote was left open."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from indexer.catalog.lines import Line

MAX_ROW_LINES = 1 << 16


class RowTooLongError(Exception):
    """A row goes on for too many lines or bytes: most likely a quote was left open."""


class RowLines:
    """An iterator of decoded lines that remembers those of the row being parsed."""

    def __init__(self, lines: Iterator[Line], max_row_bytes: int) -> None:
        self._lines = lines
        self._max_row_bytes = max_row_bytes
        self._again: deque[Line] = deque()
        self._allowance = 0
        self._size = 0
        self.taken: list[Line] = []
        """The lines of the current row, as far as it has been read."""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._again:
            line = self._again.popleft()
        else:
            line = next(self._lines)
            self._allowance += len(line.content)
        self.taken.append(line)
        self._size += len(line.content)
        if line.too_long or self._size > self._max_row_bytes + 1 or len(self.taken) > MAX_ROW_LINES:
            raise RowTooLongError
        # Bytes that are not UTF-8 become lone surrogates here, which UTF-8 itself cannot give.
        return line.content.decode("utf-8", "surrogateescape")

    def begin_row(self) -> None:
        """Forget the lines of the row before."""
        self.taken = []
        self._size = 0

    def put_back(self) -> None:
        """Let all lines of the current row be read again."""
        self._again.extendleft(reversed(self.taken))
        self.begin_row()

    def put_back_all_but_first(self) -> None:
        """Let the lines after the row's first be read again, as rows of their own.

        A quote left open swallows the good rows after it. The bytes that are read twice are
        never more than those read once, so that no file takes quadratic time; beyond that the
        swallowed lines stay part of the bad row.
        """
        rest = self.taken[1:]
        cost = sum(len(line.content) for line in rest)
        if cost <= self._allowance:
            self._allowance -= cost
            self._again.extendleft(reversed(rest))
            del self.taken[1:]

    @property
    def raw(self) -> bytes:
        """The bytes of the current row."""
        return b"".join(line.content for line in self.taken)
