"""The accumulator: adds up the postings of a query's terms, one block at a time.

One int32 a document, all zero between blocks: whoever takes the scores out leaves zeros behind,
so that clearing costs what was touched.
"""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from engine.retrieval.parameters import (
    HIGH,
    LIST,
    LIST_MULTIPLIER,
    MULTIPLIER,
    POSTING_COUNT,
    STAGED_POSTINGS,
)
from engine.retrieval.pointers import prefetch_outer_range, uint8_pointer, uint32_pointer
from engine.retrieval.units import UNITS, high_multiplier

# Postings that are fetched ahead of those that are added.
_AHEAD = 1024


@njit(nogil=True, error_model="numpy")
def add_posting_lists(scores, lists, list_count, staged):  # type: ignore[no-untyped-def]
    """Add the contribution of each posting of a block's lists to the score of its document.

    Most lists are shorter than a page of memory, and the processor fetches ahead only inside one.
    So the postings that come next are asked for here, across the borders of lists.

    Args:
        scores: (stride,) int32 or longer.
        lists: (T, LIST_COLUMNS) int64, of which `list_count` are used.
        staged: (STAGED_POSTINGS,) int32 to work in.
    """
    ahead_list, ahead = _fetch_postings(lists, list_count, 0, np.int64(0), _AHEAD)
    for at in range(list_count):
        posting_list = carray(uint32_pointer(lists[at, LIST]), lists[at, POSTING_COUNT])
        begin = np.int64(0)
        while begin < len(posting_list):
            part = posting_list[begin : begin + STAGED_POSTINGS]
            ahead_list, ahead = _fetch_postings(lists, list_count, ahead_list, ahead, len(part))
            _add_postings(scores, part, lists[at, LIST_MULTIPLIER], staged)
            begin += STAGED_POSTINGS


@njit(nogil=True, error_model="numpy")
def _fetch_postings(lists, list_count, at, begin, count):  # type: ignore[no-untyped-def]
    """Fetch the next `count` postings from number `begin` of list `at`; returns where they end."""
    while count > 0 and at < list_count:
        end = min(begin + count, lists[at, POSTING_COUNT])
        prefetch_outer_range(lists[at, LIST] + 4 * begin, lists[at, LIST] + 4 * end)
        count -= end - begin
        begin = end
        if end == lists[at, POSTING_COUNT]:
            at, begin = at + 1, np.int64(0)
    return at, begin


@njit(nogil=True, error_model="numpy")
def _add_postings(scores, part, multiplier, staged):  # type: ignore[no-untyped-def]
    """Add at most STAGED_POSTINGS postings of a list.

    All contributions are computed at once, with SIMD, before they are scattered.

    Args:
        multiplier: at most LARGEST_SCORE in magnitude, so that a contribution fits int32.
            `query_multipliers` sees to it: it scales the weights of a query so that the magnitudes
            of its multipliers together come to about LARGEST_SCORE.
    """
    # Rounding up what is negative is rounding its magnitude down.
    magnitude = np.uint32(abs(multiplier))
    upper, lower = magnitude >> np.uint32(16), magnitude & np.uint32(0xFFFF)
    sign = np.int32(1) if multiplier > 0 else np.int32(-1)
    rounding = np.uint32(UNITS - 1) if multiplier > 0 else np.uint32(0)
    for at in range(len(part)):
        impact = part[at] >> np.uint32(16)
        # In halves, which fit 32 bits, of which SIMD multiplies twice as many at once.
        product = np.uint32(lower * impact + rounding)
        units = np.uint32(np.uint32(upper * impact) + (product >> np.uint32(16)))
        staged[at] = np.int32(units) * sign
    for at in range(len(part)):
        scores[part[at] & np.uint32(0xFFFF)] += staged[at]


@njit(nogil=True, error_model="numpy")
def add_rows(scores, rows, first, last, begin, end):  # type: ignore[no-untyped-def]
    """Add the high bytes of rows `first` to `last` to documents `begin` to `end`, with SIMD.

    Two rows are added in one pass over the scores. The low bytes are left to `complete`, which is
    asked only for candidates.
    """
    part = scores[begin:end]
    size = end - begin
    at = first
    while at + 1 < last:
        _add_two_rows(
            part,
            carray(uint8_pointer(rows[at, HIGH] + begin), size),
            carray(uint8_pointer(rows[at + 1, HIGH] + begin), size),
            high_multiplier(rows[at, MULTIPLIER]),
            high_multiplier(rows[at + 1, MULTIPLIER]),
        )
        at += 2
    if at < last:
        row = carray(uint8_pointer(rows[at, HIGH] + begin), size)
        _add_row(part, row, high_multiplier(rows[at, MULTIPLIER]))


@njit(nogil=True, error_model="numpy")
def _add_row(scores, row, multiplier):  # type: ignore[no-untyped-def]
    for document in range(len(row)):
        scores[document] += np.int32(row[document]) * multiplier


@njit(nogil=True, error_model="numpy")
def _add_two_rows(scores, row, other, multiplier, other_multiplier):  # type: ignore[no-untyped-def]
    for document in range(len(row)):
        scores[document] += (
            np.int32(row[document]) * multiplier + np.int32(other[document]) * other_multiplier
        )
