"""Exact top-k search over all blocks of a snapshot."""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from engine.retrieval.accumulator import add_posting_lists
from engine.retrieval.block_plan import LIST_BOUND, LISTS, POSTINGS, ROW_BOUND, ROWS
from engine.retrieval.parameters import (
    ALWAYS_SWEEP,
    DELETED,
    DELETED_COUNT,
    FIRST_DOCUMENT,
    STRIDE,
)
from engine.retrieval.pointers import uint16_pointer
from engine.retrieval.selection import first_limit, sweep, walk, walk_pays
from engine.retrieval.top_k import DOCUMENT_MASK, best_first, least_score


@njit(nogil=True, error_model="numpy")
def search_block(blocks, block, plan, lists, rows, heap, size, scores, staged, policy):  # type: ignore[no-untyped-def]
    """Offer the documents of a block to the heap of the best; returns the heap's new size.

    Args:
        blocks: (B, COLUMNS) int64 block table.
        plan, lists, rows: what `plan_block` found.
        heap: (k,) int64 candidate keys, `size` of them; all of earlier blocks.
        scores: accumulator, all zero, and so again afterwards.
        staged: (STAGED_POSTINGS,) int32 to work in.
        policy: how candidates are taken out, see `walk_pays`.
    """
    list_count, row_count, row_bound = plan[LISTS], plan[ROWS], plan[ROW_BOUND]
    limit = least_score(heap, size)
    if size == len(heap):
        # An equal score in a later document loses the tie, so it takes one unit more.
        limit = max(limit, (heap[0] >> 32) + 1)
    if plan[LIST_BOUND] + row_bound < limit:
        return size
    stride = blocks[block, STRIDE]
    first_document = blocks[block, FIRST_DOCUMENT]
    deleted = carray(uint16_pointer(blocks[block, DELETED]), blocks[block, DELETED_COUNT])
    add_posting_lists(scores, lists, list_count, staged)
    if size == 0 and policy != ALWAYS_SWEEP:
        limit = max(limit, first_limit(scores, lists, list_count, rows, row_count, deleted, heap))
    if walk_pays(
        scores, lists, list_count, plan[POSTINGS], rows, row_count, row_bound, stride, limit, policy
    ):
        return walk(
            scores, lists, list_count, rows, row_count, row_bound,
            deleted, first_document, limit, heap, size,
        )  # fmt: skip
    return sweep(scores, stride, rows, row_count, deleted, first_document, limit, heap, size)


@njit(nogil=True, error_model="numpy")
def take_apart(heap, size, unit, documents, scores):  # type: ignore[no-untyped-def]
    """Turn a heap into hits, best first; `documents` may be the heap itself.

    Args:
        unit: float64, the score of one unit.
        documents: (k,) int64, overwritten.
        scores: (k,) float64, overwritten.
    """
    best_first(heap, size)
    for rank in range(size):
        key = heap[rank]
        documents[rank] = DOCUMENT_MASK - (key & DOCUMENT_MASK)
        scores[rank] = np.float64(key >> 32) * unit
