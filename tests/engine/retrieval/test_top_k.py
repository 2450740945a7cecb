from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.retrieval.parameters import CHUNK
from engine.retrieval.top_k import (
    DOCUMENT_MASK,
    best_first,
    candidate_key,
    chunk_maxima,
    kth_largest,
    push,
)

int32s = st.integers(-(2**31) + 1, 2**31 - 1)


@given(st.lists(st.integers(-(2**62), 2**62), max_size=60), st.integers(1, 20))
def test_heap_keeps_the_best(keys: list[int], k: int) -> None:
    heap = np.empty(k, np.int64)
    size = 0
    for key in keys:
        size = push(heap, size, key)
    best_first(heap, size)
    assert heap[:size].tolist() == sorted(keys, reverse=True)[:k]


@given(st.lists(int32s, max_size=300), st.integers(1, 400))
def test_kth_largest(values: list[int], k: int) -> None:
    array = np.array(values, np.int32)
    expected = sorted(values, reverse=True)[k - 1] if k <= len(values) else -(2**31)
    assert kth_largest(array, k, np.empty(400, np.int32)) == expected


@given(st.lists(int32s, min_size=1, max_size=8), st.integers(0, 1000))
def test_chunk_maxima(peaks: list[int], seed: int) -> None:
    scores = np.full((len(peaks), CHUNK), -(2**31) + 1, np.int32)
    where = np.random.default_rng(seed).integers(0, CHUNK, len(peaks))
    scores[np.arange(len(peaks)), where] = peaks
    maxima = np.empty(len(peaks), np.int32)
    chunk_maxima(scores.reshape(-1), maxima)
    assert maxima.tolist() == peaks


@given(st.lists(st.tuples(st.integers(1, 2**31 - 1), st.integers(0, DOCUMENT_MASK)), max_size=30))
def test_keys_order_by_score_and_then_by_earlier_document(pairs: list[tuple[int, int]]) -> None:
    by_key = sorted(pairs, key=lambda pair: -int(candidate_key(*pair)))
    assert by_key == sorted(pairs, key=lambda pair: (-pair[0], pair[1]))
