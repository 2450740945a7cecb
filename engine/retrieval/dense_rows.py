"""Dense rows of single documents: the exact part of a score that SIMD only estimates."""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from engine.retrieval.parameters import HIGH, LINE, LOW, MULTIPLIER, ROW_LINES
from engine.retrieval.pointers import uint8_pointer
from engine.retrieval.units import UNITS, contribution, high_multiplier


@njit(nogil=True, error_model="numpy")
def row_shortfall(rows, row_count):  # type: ignore[no-untyped-def]
    """Units by which a true score may exceed the sum of high bytes that `add_rows` made."""
    above = np.int64(0)
    for at in range(row_count):
        multiplier = rows[at, MULTIPLIER]
        if multiplier > 0:
            # What the high byte leaves out: the low byte, and the multiplier's own low bits.
            above += (multiplier * 255 + UNITS - 1) // UNITS + 257
        else:
            above += 1
    return above


@njit(nogil=True, error_model="numpy")
def complete(rows, row_count, document, score):  # type: ignore[no-untyped-def]
    """True score of a document to which rows were added by their high bytes alone."""
    total = np.int64(score)
    for at in range(row_count):
        upper, multiplier = _byte(rows[at, HIGH] + document) << 8, rows[at, MULTIPLIER]
        total -= (upper >> 8) * np.int64(high_multiplier(multiplier))
        total += contribution(multiplier, upper | _byte(rows[at, LOW] + document))
    return total


@njit(nogil=True, error_model="numpy")
def bound_by_lines(rows, row_count, document, score):  # type: ignore[no-untyped-def]
    """No less than the score of a document with its cells added, from the maxima of lines alone."""
    total = np.int64(score)
    for at in range(row_count):
        multiplier = rows[at, MULTIPLIER]
        if multiplier > 0:
            largest = _byte(rows[at, ROW_LINES] + document // LINE)
            total += contribution(multiplier, largest << 8 | 255)
    return total


@njit(nogil=True, error_model="numpy")
def add_cells(rows, row_count, document, score, limit):  # type: ignore[no-untyped-def]
    """Score of a document with its cells of dense rows added.

    Where the high bytes already say that it stays below `limit`, the low ones are not read and
    what is returned is some number below `limit`.
    """
    total = np.int64(score)
    for at in range(row_count):
        impact, multiplier = _byte(rows[at, HIGH] + document) << 8, rows[at, MULTIPLIER]
        if multiplier > 0:
            impact |= 255
        total += contribution(multiplier, impact)
    if total < limit:
        return total
    total = np.int64(score)
    for at in range(row_count):
        impact, multiplier = _byte(rows[at, HIGH] + document) << 8, rows[at, MULTIPLIER]
        total += contribution(multiplier, impact | _byte(rows[at, LOW] + document))
    return total


@njit(nogil=True, error_model="numpy", inline="always")
def _byte(address):  # type: ignore[no-untyped-def]
    return np.int64(carray(uint8_pointer(address), 1)[0])
