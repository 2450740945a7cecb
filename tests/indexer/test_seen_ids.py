"""Ids that were met: a set, whatever its size."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer import seen_ids
from indexer.seen_ids import SeenIds


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.integers(0, 60).map(str), max_size=12), max_size=30))
def test_a_set(calls: list[list[str]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seen_ids, "_RECENT", 5)
        seen, model = SeenIds(), set[str]()
        for ids in calls:
            assert seen.add(ids) == [one in model for one in ids]
            model.update(ids)


def test_few_arrays_for_many_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen_ids, "_RECENT", 10)
    seen = SeenIds()
    for first in range(0, 10_000, 10):
        assert not any(seen.add([f"{at}" * 100 for at in range(first, first + 10)]))
    assert len(seen._sorted) <= 11
    assert all(seen.add([f"{at}" * 100 for at in range(10_000)]))
