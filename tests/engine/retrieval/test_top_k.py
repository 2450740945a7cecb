from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.retrieval.top_k import DOCUMENT_MASK, best_first, candidate_key, least_score, push


@settings(deadline=None)  # the first example compiles
@given(st.lists(st.integers(-(2**62), 2**62), max_size=60), st.integers(1, 20))
def test_heap_keeps_the_best(keys: list[int], k: int) -> None:
    heap = np.empty(k, np.int64)
    size = 0
    for key in keys:
        size = push(heap, size, key)
    best_first(heap, size)
    assert heap[:size].tolist() == sorted(keys, reverse=True)[:k]


@settings(deadline=None)  # the first example compiles
@given(st.lists(st.tuples(st.integers(1, 2**31 - 1), st.integers(0, DOCUMENT_MASK)), max_size=30))
def test_keys_order_by_score_and_then_by_earlier_document(pairs: list[tuple[int, int]]) -> None:
    by_key = sorted(pairs, key=lambda pair: -int(candidate_key(*pair)))
    assert by_key == sorted(pairs, key=lambda pair: (-pair[0], pair[1]))


@settings(deadline=None)  # the first example compiles
@given(st.lists(st.integers(1, 2**31 - 1), max_size=8), st.integers(1, 5))
def test_least_score_is_that_of_the_worst_once_the_heap_is_full(scores: list[int], k: int) -> None:
    heap = np.empty(k, np.int64)
    size = 0
    for document, score in enumerate(scores):
        size = push(heap, size, candidate_key(score, document))
    expected = sorted(scores, reverse=True)[k - 1] if len(scores) >= k else 1
    assert least_score(heap, size) == expected
