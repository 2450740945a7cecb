"""Adding postings with SIMD is what Python's own integers say."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.retrieval.accumulator import add_posting_lists
from engine.retrieval.parameters import (
    LIST,
    LIST_COLUMNS,
    LIST_MULTIPLIER,
    POSTING_COUNT,
    STAGED_POSTINGS,
)

multipliers = st.one_of(
    st.integers(-(2**31) + 2**18, 2**31 - 2**18),
    st.integers(-70_000, 70_000),
    st.sampled_from([1, -1, 65_535, 65_536, 65_537, -65_536]),
)


@settings(deadline=None)
@given(data=st.data())
def test_postings_are_added_and_rounded_up(data: st.DataObject) -> None:
    documents = 1 << 16
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    sizes = data.draw(st.lists(st.sampled_from([1, 5, 255, 256, 257, 1500, 4000]), max_size=5))
    # So that sums of whole scores stay below 2**31.
    chosen = [data.draw(multipliers) // max(len(sizes), 1) for _ in sizes]
    kept, lists = [], np.zeros((len(sizes) + 1, LIST_COLUMNS), np.int64)
    expected = np.zeros(documents, np.int64)
    for at, (size, multiplier) in enumerate(zip(sizes, chosen, strict=True)):
        impacts = random.choice([0, 1, 2, 777, 32_768, 65_535], size).astype(np.int64)
        where = random.choice(documents, size, replace=False)
        kept.append((impacts << 16 | where).astype(np.uint32))
        lists[at, LIST] = kept[-1].__array_interface__["data"][0]
        lists[at, POSTING_COUNT], lists[at, LIST_MULTIPLIER] = size, multiplier
        expected[where] += [-(-multiplier * impact >> 16) for impact in impacts.tolist()]
    scores = np.zeros(documents, np.int32)
    add_posting_lists(scores, lists, len(sizes), np.empty(STAGED_POSTINGS, np.int32))
    assert np.array_equal(scores, expected)
