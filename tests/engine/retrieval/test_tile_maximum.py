"""The maximum of a tile is what adding its rows gives, and both are what NumPy says."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.retrieval.accumulator import add_rows
from engine.retrieval.parameters import HIGH, MULTIPLIER, ROW_COLUMNS
from engine.retrieval.tile_maximum import MOST_ROWS, TILE, largest_of_tile


@pytest.mark.parametrize("count", range(1, MOST_ROWS + 1))
@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32), begin=st.sampled_from([0, TILE]))
def test_the_largest_of_a_tile_is_that_of_rows_that_are_added(
    count: int, seed: int, begin: int
) -> None:
    random = np.random.default_rng(seed)
    end = begin + TILE
    cells: list[npt.NDArray[np.uint8]] = [
        random.integers(0, 256, end).astype(np.uint8) for _ in range(count + 1)
    ]
    rows = np.zeros((count + 1, ROW_COLUMNS), np.int64)
    for at, row in enumerate(cells):
        rows[at, HIGH] = row.__array_interface__["data"][0]
        rows[at, MULTIPLIER] = random.integers(-(2**27), 2**27)
    scores = random.integers(-(2**28), 2**28, end).astype(np.int32)
    before = scores.copy()
    # The first row stays out of it.
    largest = largest_of_tile(scores, rows, 1, count + 1, begin)
    assert np.array_equal(scores, before)
    add_rows(scores, rows, 1, count + 1, begin, end)
    assert largest == scores[begin:end].max()
    for at in range(1, count + 1):
        multiplier = int(rows[at, MULTIPLIER])
        high = -((-multiplier) >> 8) if multiplier < 0 else multiplier >> 8
        before[begin:end] += cells[at][begin:end].astype(np.int32) * np.int32(high)
    assert np.array_equal(scores, before)
