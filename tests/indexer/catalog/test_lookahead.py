from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.catalog.lookahead import Lookahead


class Trickle:
    """Gives its chunks one at a time, as a pipe does; None stands for a read error."""

    def __init__(self, chunks: list[bytes | None]) -> None:
        self._chunks = list(chunks)

    def read1(self, size: int, /) -> bytes:
        if not self._chunks:
            return b""
        chunk = self._chunks.pop(0)
        if chunk is None:
            raise OSError("broken")
        if len(chunk) > size:
            self._chunks.insert(0, chunk[size:])
        return chunk[:size]


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=9)), st.integers(0, 30), st.booleans())
def test_looking_ahead_changes_nothing(chunks: list[bytes], size: int, one_line: bool) -> None:
    content = b"".join(chunks)
    lookahead = Lookahead(Trickle(list(chunks)))
    head = lookahead.head(size, one_line=one_line)
    assert content.startswith(head)
    if not one_line:
        assert head == content[:size]
    assert io.BufferedReader(lookahead).read() == content
    assert lookahead.position == len(content)


def test_one_line_waits_for_no_more_than_that() -> None:
    lookahead = Lookahead(Trickle([b"\n", b'{"id"', b": 1}\n", None]))
    assert lookahead.head(1000, one_line=True) == b'\n{"id": 1}\n'


def test_damage_shows_when_it_is_reached() -> None:
    lookahead = Lookahead(Trickle([b"good\n", None]))
    assert lookahead.head(100) == b"good\n"
    with pytest.raises(OSError, match="broken"):
        Lookahead(Trickle([None])).head(100)
