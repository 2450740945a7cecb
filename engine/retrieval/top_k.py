"""The best k candidates, kept in a min-heap of keys.

A candidate is one int64 key, score in the upper half and the complement of the document number in
the lower, so that the larger key is the better hit and ties go to the earlier document.
"""

from __future__ import annotations

import numpy as np
from numba import njit

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
def best_first(heap, size):  # type: ignore[no-untyped-def]
    """Turn a min-heap of `size` keys into an array from the best to the worst, in place."""
    for last in range(size - 1, 0, -1):
        smallest = heap[0]
        replace_smallest(heap, last, heap[last])
        heap[last] = smallest


@njit(nogil=True, error_model="numpy", inline="always")
def least_score(heap, size):  # type: ignore[no-untyped-def]
    """Units that a document must reach to be a hit, or to replace the worst of a full heap."""
    if size == len(heap):
        return max(heap[0] >> 32, np.int64(1))
    return np.int64(1)
