"""The accumulator: adds up the postings of a query's terms, one block at a time.

One int32 a document, all zero between blocks: whoever takes the scores out leaves zeros behind,
so that clearing costs what was touched.
"""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from engine.retrieval.parameters import HIGH, MULTIPLIER, STAGED_POSTINGS
from engine.retrieval.pointers import uint8_pointer
from engine.retrieval.units import UNITS, high_multiplier


@njit(nogil=True, error_model="numpy")
def add_posting_list(scores, posting_list, multiplier, staged):  # type: ignore[no-untyped-def]
    """Add the contribution of each posting to the score of its document.

    Contributions of some postings are computed at once, with SIMD, before they are scattered.

    Args:
        staged: (STAGED_POSTINGS,) int32 to work in.
    """
    # Rounding up what is negative is rounding its magnitude down.
    magnitude = np.uint64(np.uint32(abs(multiplier)))
    sign = np.int32(1) if multiplier > 0 else np.int32(-1)
    rounding = np.uint64(UNITS - 1) if multiplier > 0 else np.uint64(0)
    begin = 0
    while begin < len(posting_list):
        part = posting_list[begin : begin + STAGED_POSTINGS]
        for at in range(len(part)):
            product = magnitude * np.uint64(part[at] >> np.uint32(16))
            staged[at] = np.int32((product + rounding) >> np.uint64(16)) * sign
        for at in range(len(part)):
            scores[part[at] & np.uint32(0xFFFF)] += staged[at]
        begin += STAGED_POSTINGS


@njit(nogil=True, error_model="numpy")
def add_rows(scores, rows, row_count, begin, end):  # type: ignore[no-untyped-def]
    """Add the high bytes of dense rows to the scores of documents `begin` to `end`, with SIMD.

    Two rows are added in one pass over the scores. The low bytes are left to `complete`, which is
    asked only for candidates.
    """
    part = scores[begin:end]
    size = end - begin
    at = 0
    while at + 1 < row_count:
        _add_two_rows(
            part,
            carray(uint8_pointer(rows[at, HIGH] + begin), size),
            carray(uint8_pointer(rows[at + 1, HIGH] + begin), size),
            high_multiplier(rows[at, MULTIPLIER]),
            high_multiplier(rows[at + 1, MULTIPLIER]),
        )
        at += 2
    if at < row_count:
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
