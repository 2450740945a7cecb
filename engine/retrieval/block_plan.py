"""What a query reads in a block: its posting lists and its dense rows, found once a block."""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from engine.retrieval.parameters import (
    ADDRESS,
    DETAILS,
    EXTENT,
    HIGH,
    LINE,
    LIST,
    LIST_MULTIPLIER,
    LOW,
    LOW_BEHIND_HIGH,
    MULTIPLIER,
    PLAN_FIELDS,
    POSTING_COUNT,
    ROW_LINES,
    STRIDE,
)
from engine.retrieval.pointers import prefetch, uint32_pointer
from engine.retrieval.units import contribution
from engine.storage.block import BANDS

# Bytes that are fetched of each list while other work goes on; the processor notices by itself that
# a list is read on. They are counted from where the list begins, not from the border of its line:
# that would be one line more of most lists.
_FETCHED_AHEAD = 128

# Fields of a plan.
LISTS, ROWS, POSTINGS, LIST_BOUND, ROW_BOUND = range(PLAN_FIELDS)


@njit(nogil=True, error_model="numpy")
def plan_block(blocks, block, directory, terms, multipliers, cuts, plan, lists, rows):  # type: ignore[no-untyped-def]
    """Find what a query reads in a block, and begin to fetch it from memory.

    Args:
        blocks: (B, COLUMNS) int64 block table.
        directory: (V, B, ENTRY_COLUMNS) int64.
        terms: (T,) int32, distinct.
        multipliers: (T,) int64.
        cuts: (T,) int64, how many bands of a posting list are read, from the highest down.
        plan: (PLAN_FIELDS,) int64, overwritten: how many lists and rows there are, the postings of
            the lists together, and units that no document exceeds in lists and in rows.
        lists: (T, LIST_COLUMNS) int64, overwritten.
        rows: (T, ROW_COLUMNS) int64, overwritten.
    """
    list_count = 0
    row_count = 0
    postings = np.int64(0)
    list_bound = np.int64(0)
    row_bound = np.int64(0)
    for at in range(len(terms)):
        address = directory[terms[at], block, ADDRESS]
        extent = directory[terms[at], block, EXTENT]
        multiplier = multipliers[at]
        if extent == 0 or multiplier == 0:
            continue
        if extent < 0:
            rows[row_count, HIGH] = address
            rows[row_count, LOW] = address + blocks[block, LOW_BEHIND_HIGH]
            rows[row_count, ROW_LINES] = directory[terms[at], block, DETAILS]
            rows[row_count, MULTIPLIER] = multiplier
            lines = rows[row_count, ROW_LINES]
            for line in range(lines, lines + blocks[block, STRIDE] // LINE, LINE):
                prefetch(line)
            row_count += 1
            row_bound += max(contribution(multiplier, -extent), np.int64(0))
        else:
            count = extent >> 16
            if cuts[at] < BANDS:
                ends = carray(uint32_pointer(directory[terms[at], block, DETAILS]), BANDS)
                count = np.int64(ends[cuts[at] - 1]) if cuts[at] else np.int64(0)
                if count == 0:
                    continue
            lists[list_count, LIST] = address
            lists[list_count, POSTING_COUNT] = count
            lists[list_count, LIST_MULTIPLIER] = multiplier
            list_count += 1
            postings += count
            list_bound += max(contribution(multiplier, extent & 0xFFFF), np.int64(0))
            for line in range(address, address + min(4 * count, _FETCHED_AHEAD), LINE):
                prefetch(line)
    plan[LISTS] = list_count
    plan[ROWS] = row_count
    plan[POSTINGS] = postings
    plan[LIST_BOUND] = list_bound
    plan[ROW_BOUND] = row_bound
