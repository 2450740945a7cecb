from __future__ import annotations

import io
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import CatalogError
from indexer.catalog.lines import read_lines
from indexer.catalog.lookahead import Lookahead


class EndlessLine(io.RawIOBase):
    """A line of `size` letters, a line feed, and a short line, made up as it is read."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._left = size
        self._tail = b"\nshort\n"

    def readable(self) -> bool:
        return True

    def read1(self, size: int, /) -> bytes:
        if self._left:
            count = min(size, self._left)
            self._left -= count
            return b"x" * count
        chunk, self._tail = self._tail[:size], self._tail[size:]
        return chunk


@settings(deadline=None)
@given(st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\n", b"")), max_size=8))
def test_lines_are_those_of_the_stream(lines: list[bytes]) -> None:
    content = b"\n".join(lines)
    read = list(read_lines(io.BytesIO(content), "x", 100))
    assert [line.number for line in read] == list(range(1, len(read) + 1))
    assert b"".join(line.content for line in read) == content.removeprefix(b"\xef\xbb\xbf")


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_the_limit_does_not_count_the_line_feed(end: bytes) -> None:
    [fits] = read_lines(io.BytesIO(b"x" * 10 + end), "x", 10)
    assert not fits.too_long
    [cut] = read_lines(io.BytesIO(b"x" * 11 + end), "x", 10)
    assert cut.too_long
    assert cut.length == 11 + len(end)


def test_a_line_longer_than_memory_is_skipped_and_counted() -> None:
    size = 64 * 2**20
    stream = io.BufferedReader(Lookahead(EndlessLine(size)))
    tracemalloc.start()
    try:
        long, short = read_lines(stream, "x", 2**20)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert long.too_long
    assert long.length == size + 1
    assert len(long.content) <= 4096
    assert (short.number, short.content) == (2, b"short\n")
    assert peak < 4 * 2**20


def test_a_stream_that_breaks_off_names_the_line() -> None:
    class Broken(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            line = super().readline(size)
            if not line:
                raise OSError(5, "Input/output error")
            return line

    lines = read_lines(Broken(b"one\ntwo\n"), "disk.jsonl", 100)
    assert [next(lines).content, next(lines).content] == [b"one\n", b"two\n"]
    with pytest.raises(CatalogError, match=r"^disk.jsonl:3: reading failed: Input/output error"):
        next(lines)
