"""The largest score of a tile of documents with its last dense rows added, and nothing written.

A sweep looks so whether a tile holds a candidate before it writes the rows down.
"""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from engine.retrieval.parameters import CHUNK, HIGH, MULTIPLIER
from engine.retrieval.pointers import uint8_pointer
from engine.retrieval.units import high_multiplier

# Documents that a sweep handles at once, in whole chunks: their scores stay in the first-level
# cache.
TILE = 8 * CHUNK
# The most rows that `largest_of_tile` adds. There is a function for each number of them below.
MOST_ROWS = 4
# The smallest int32, with which a maximum begins.
_LEAST = np.int32(-(1 << 31))


@njit(nogil=True, error_model="numpy")
def largest_of_tile(scores, rows, first, last, begin):  # type: ignore[no-untyped-def]
    """Largest score of the TILE documents from `begin` on with rows `first` to `last` added.

    Adds as `add_rows` does. Each number of rows has a loop of its own that compiles to SIMD: int32
    throughout, a known number of documents, no iterator.

    Args:
        scores: (stride,) int32 or longer, left as they are.
        rows: (T, ROW_COLUMNS) int64; `last - first` is 1 to MOST_ROWS.
        begin: a local document, of which TILE - 1 more follow.
    """
    part = scores[begin : begin + TILE]
    count = last - first
    cells, multiplier = _cells(rows, first, begin)
    if count == 1:
        return _largest_with_one(part, cells, multiplier)
    cells2, multiplier2 = _cells(rows, first + 1, begin)
    if count == 2:
        return _largest_with_two(part, cells, multiplier, cells2, multiplier2)
    cells3, multiplier3 = _cells(rows, first + 2, begin)
    if count == 3:
        return _largest_with_three(
            part, cells, multiplier, cells2, multiplier2, cells3, multiplier3
        )
    cells4, multiplier4 = _cells(rows, first + 3, begin)
    return _largest_with_four(
        part, cells, multiplier, cells2, multiplier2, cells3, multiplier3, cells4, multiplier4
    )


@njit(nogil=True, error_model="numpy", inline="always")
def _cells(rows, at, begin):  # type: ignore[no-untyped-def]
    """High bytes of a row for a tile of documents, and their multiplier."""
    cells = carray(uint8_pointer(rows[at, HIGH] + begin), TILE)
    return cells, high_multiplier(rows[at, MULTIPLIER])


@njit(nogil=True, error_model="numpy")
def _largest_with_one(scores, row, multiplier):  # type: ignore[no-untyped-def]
    largest = _LEAST
    for at in range(TILE):
        score = np.int32(scores[at] + np.int32(row[at]) * multiplier)
        largest = score if score > largest else largest
    return largest


@njit(nogil=True, error_model="numpy")
def _largest_with_two(scores, row, multiplier, row2, multiplier2):  # type: ignore[no-untyped-def]
    largest = _LEAST
    for at in range(TILE):
        score = np.int32(
            scores[at] + np.int32(row[at]) * multiplier + np.int32(row2[at]) * multiplier2
        )
        largest = score if score > largest else largest
    return largest


@njit(nogil=True, error_model="numpy")
def _largest_with_three(  # type: ignore[no-untyped-def]
    scores, row, multiplier, row2, multiplier2, row3, multiplier3
):
    largest = _LEAST
    for at in range(TILE):
        score = np.int32(
            scores[at]
            + np.int32(row[at]) * multiplier
            + np.int32(row2[at]) * multiplier2
            + np.int32(row3[at]) * multiplier3
        )
        largest = score if score > largest else largest
    return largest


@njit(nogil=True, error_model="numpy")
def _largest_with_four(  # type: ignore[no-untyped-def]
    scores, row, multiplier, row2, multiplier2, row3, multiplier3, row4, multiplier4
):
    largest = _LEAST
    for at in range(TILE):
        score = np.int32(
            scores[at]
            + np.int32(row[at]) * multiplier
            + np.int32(row2[at]) * multiplier2
            + np.int32(row3[at]) * multiplier3
            + np.int32(row4[at]) * multiplier4
        )
        largest = score if score > largest else largest
    return largest
