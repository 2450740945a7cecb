"""Exact top-k search over all blocks of a snapshot."""

from __future__ import annotations

import numpy as np
from numba import njit

from engine.retrieval.accumulator import accumulate, block_bound, query_multipliers
from engine.retrieval.top_k import DOCUMENT_MASK, best_first, select


@njit(nogil=True, error_model="numpy")
def search_exact(  # type: ignore[no-untyped-def]
    blocks, slots, verified, step, terms, weights, documents, scores, scratch
):
    """Find the best `len(documents)` documents with a positive score.

    Args:
        blocks: (B, COLUMNS) int64 block table.
        slots: (V, B) int32, position of a term in the directory of a block, -1 for none.
        verified: (V,) uint8, which terms' postings were checked against their checksums.
        step: float64, the quantization step.
        terms: (T,) int32, distinct.
        weights: (T,) float64.
        documents: (k,) int64, overwritten with the hits, best first.
        scores: (k,) float64, overwritten with their scores.
        scratch: multipliers, accumulator, chunk maxima and top-k maxima to work in.

    Returns:
        How many hits were written, or -1 - t when term number t has not been verified.
    """
    for at in range(len(terms)):
        if not verified[terms[at]]:
            return -1 - at
    all_multipliers, accumulated, maxima, largest = scratch
    multipliers = all_multipliers[: len(terms)]
    unit = query_multipliers(weights, multipliers) * step
    # The heap of candidate keys lives in the output until the keys are taken apart.
    heap = documents
    k = len(heap)
    size = 0
    if k == 0:
        return 0
    for block in range(len(blocks)):
        bound = block_bound(blocks, block, slots, terms, multipliers)
        if bound <= 0 or (size == k and bound <= heap[0] >> 32):
            continue
        below, above = accumulate(blocks, block, slots, terms, multipliers, accumulated)
        size = select(
            blocks, block, slots, terms, multipliers, accumulated, below, above,
            heap, size, maxima, largest,
        )  # fmt: skip
    best_first(heap, size)
    for rank in range(size):
        key = heap[rank]
        documents[rank] = DOCUMENT_MASK - (key & DOCUMENT_MASK)
        scores[rank] = np.float64(key >> 32) * unit
    return size
