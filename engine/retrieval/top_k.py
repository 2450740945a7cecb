"""Selecting the k best documents of a block out of its accumulator.

A candidate is one int64 key, score in the upper half and the complement of the document number in
the lower, so that the larger key is the better hit and ties go to the earlier document.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from engine.retrieval.accumulator import DELETED_SCORE, complete_score
from engine.retrieval.parameters import CHUNK, FIRST_DOCUMENT, STRIDE

DOCUMENT_MASK = 0xFFFF_FFFF


@njit(nogil=True, error_model="numpy", inline="always")
def candidate_key(score, document):  # type: ignore[no-untyped-def]
    """Key of a candidate: higher scores first, then earlier documents."""
    return (np.int64(score) << 32) | (np.int64(DOCUMENT_MASK) - np.int64(document))


@njit(nogil=True, error_model="numpy")
def replace_smallest(heap, size, key):  # type: ignore[no-untyped-def]
    """Put a key in the place of the smallest of the first `size` of a min-heap."""
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= key:
            break
        heap[at] = heap[child]
        at = child
    heap[at] = key


@njit(nogil=True, error_model="numpy")
def push(heap, size, key):  # type: ignore[no-untyped-def]
    """Offer a key to a min-heap that keeps the best `len(heap)`; returns its new size."""
    if size < len(heap):
        at = size
        while at > 0:
            parent = (at - 1) >> 1
            if heap[parent] <= key:
                break
            heap[at] = heap[parent]
            at = parent
        heap[at] = key
        return size + 1
    if key > heap[0]:
        replace_smallest(heap, size, key)
    return size


@njit(nogil=True, error_model="numpy")
def chunk_maxima(scores, maxima):  # type: ignore[no-untyped-def]
    """Largest score of each chunk of 128 documents.

    Written so that it compiles to SIMD: int32 throughout, one slice a chunk, no iterator.
    """
    for chunk in range(len(maxima)):
        part = scores[chunk * CHUNK : (chunk + 1) * CHUNK]
        largest = part[0]
        for document in range(CHUNK):
            score = part[document]
            largest = score if score > largest else largest
        maxima[chunk] = largest


@njit(nogil=True, error_model="numpy")
def kth_largest(values, k, scratch):  # type: ignore[no-untyped-def]
    """The k-th largest of int32 values, or the smallest int32 where there are fewer.

    Keeps the best k in a min-heap inside `scratch`, which is at least as long as `values`.
    """
    if k > len(values):
        return np.int64(-(1 << 31))
    heap = scratch[:k]
    size = 0
    for value in values:
        size = push(heap, size, value)
    return np.int64(heap[0])


@njit(nogil=True, error_model="numpy")
def best_first(heap, size):  # type: ignore[no-untyped-def]
    """Turn a min-heap of `size` keys into an array from the best to the worst, in place."""
    for last in range(size - 1, 0, -1):
        smallest = heap[0]
        replace_smallest(heap, last, heap[last])
        heap[last] = smallest


@njit(nogil=True, error_model="numpy")
def select(  # type: ignore[no-untyped-def]
    blocks, block, slots, terms, multipliers, scores, below, above, heap, size, maxima, scratch
):
    """Offer the documents of an accumulated block to the heap; returns the heap's new size.

    k documents have true scores of at least the k-th largest chunk maximum less `below`, so a
    document can enter the top k only when its score plus `above` reaches that: only chunks whose
    maximum does are looked at.
    """
    k = len(heap)
    chunks = blocks[block, STRIDE] // CHUNK
    first_document = blocks[block, FIRST_DOCUMENT]
    chunk_maxima(scores, maxima[:chunks])
    limit = max(
        kth_largest(maxima[:chunks], k, scratch) - below - above,
        np.int64(1) - above,
    )
    if size == k:
        # An equal score in a later document loses the tie, so it takes one unit more.
        limit = max(limit, (heap[0] >> 32) + 1 - above)
    for chunk in range(chunks):
        if maxima[chunk] < limit:
            continue
        for document in range(chunk * CHUNK, (chunk + 1) * CHUNK):
            score = np.int64(scores[document])
            if score < limit or score == DELETED_SCORE:
                continue
            if above > 0:
                score = complete_score(blocks, block, slots, terms, multipliers, document, score)
            if score <= 0:
                continue
            size = push(heap, size, candidate_key(score, first_document + document))
            if size == k:
                limit = max(limit, (heap[0] >> 32) + 1 - above)
    return size
