"""A search taken apart is the same search."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import SearchEngine, UsageError
from engine.stage_times import StageTimes, time_stages
from tests.engine.test_search_engine import index, opened

__all__ = ["index", "opened"]


@pytest.mark.parametrize("query", ["Sábana queen", "queen", "sabanas queen", "zzz"])
@pytest.mark.parametrize("k", [1, 10])
def test_the_same_answers(opened: SearchEngine, query: str, k: int) -> None:
    results, stages = time_stages(opened, query, k)
    expected = opened.search(query, k)
    assert (results.query, results.hits) == (query, expected.hits)
    assert (results.tokens, results.reason) == (expected.tokens, expected.reason)
    assert results.took_ms > 0
    assert all(getattr(stages, name) >= 0 for name in StageTimes.__slots__)


def test_the_same_errors(opened: SearchEngine, index: Path) -> None:
    for query, k in (("", 10), ("queen", 0), ("x" * 70_000, 1)):
        with pytest.raises(UsageError):
            time_stages(opened, query, k)
