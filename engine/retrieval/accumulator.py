"""The accumulator: adds up the postings of a query's terms, one block at a time.

Scores are integers. A query weight becomes a multiplier, and a posting contributes
`ceil(multiplier * impact / 65536)` units, where the multipliers of a query are scaled so that no
document can reach 2**31 units. Integer sums do not depend on the order of addition, so a document
has one score whether its postings lie in lists or dense rows, in one segment or in ten, and equal
documents tie exactly. The unit is about 2**-31 of the largest score possible, far below the
quantization of impacts.
"""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from engine.retrieval.parameters import (
    DELETED,
    DELETED_COUNT,
    DENSE_BYTES,
    HIGH,
    LOW,
    OFFSETS,
    POSTING_COUNT,
    POSTINGS,
    ROWS,
    STRIDE,
    TERM_MAXIMA,
    TERMS_OF_BLOCK,
)
from engine.retrieval.pointers import (
    int32_pointer,
    uint8_pointer,
    uint16_pointer,
    uint32_pointer,
)

UNITS = 1 << 16
# Leaves room for rounding each contribution up, for queries of up to 2**16 terms.
LARGEST_SCORE = (1 << 31) - (1 << 18)
DELETED_SCORE = np.int32(-(1 << 31) + 1)


@njit(nogil=True, error_model="numpy")
def query_multipliers(weights, multipliers):  # type: ignore[no-untyped-def]
    """Turn weights (T,) float64 into multipliers (T,) int64; returns the weight of one unit.

    The weights' absolute sum must be zero, or a number from about 1e-280 to 1e300. Multiply the
    returned value by the quantization step to get the score of one unit.
    """
    total = 0.0
    for weight in weights:
        total += abs(weight)
    if total == 0.0:
        multipliers[:] = 0
        return 0.0
    scale = LARGEST_SCORE / total
    for at in range(len(weights)):
        # Impacts reach 65,535, so a multiplier is at most the score of its term's largest impact.
        multiplier = np.int64(np.rint(weights[at] * scale))
        # A positive weight stays positive, however small beside the others: no match is lost.
        if multiplier == 0 and weights[at] > 0.0:
            multiplier = np.int64(1)
        multipliers[at] = multiplier
    return UNITS / scale


@njit(nogil=True, error_model="numpy", inline="always")
def contribution(multiplier, impact):  # type: ignore[no-untyped-def]
    """Units that an impact (int64) contributes under a multiplier (int64)."""
    return (multiplier * impact + (UNITS - 1)) >> 16


@njit(nogil=True, error_model="numpy", inline="always")
def high_multiplier(multiplier):  # type: ignore[no-untyped-def]
    """Multiplier of a high byte, rounded towards zero.

    So no sum of rows can outgrow the true score, nor int32, however many terms a query has.
    """
    if multiplier < 0:
        return np.int32(-((-multiplier) >> 8))
    return np.int32(multiplier >> 8)


@njit(nogil=True, error_model="numpy")
def block_bound(blocks, block, slots, terms, multipliers):  # type: ignore[no-untyped-def]
    """No document of the block scores more than this, in units."""
    count = blocks[block, TERMS_OF_BLOCK]
    maxima = carray(uint16_pointer(blocks[block, TERM_MAXIMA]), count)
    bound = np.int64(0)
    for at in range(len(terms)):
        slot = slots[terms[at], block]
        if slot >= 0 and multipliers[at] > 0:
            bound += contribution(multipliers[at], np.int64(maxima[slot]))
    return bound


@njit(nogil=True, error_model="numpy")
def accumulate(blocks, block, slots, terms, multipliers, scores):  # type: ignore[no-untyped-def]
    """Score every document of a block.

    Posting lists are added in full. Of dense rows the high bytes are added, with SIMD; the low
    bytes are left to `dense_contribution`, which is asked only for candidates.

    Args:
        scores: int32, at least the block's stride; overwritten.

    Returns:
        (below, above): the true score of a document lies between `score - below` and
        `score + above` units; both 0 where no dense row was read.
    """
    stride = blocks[block, STRIDE]
    count = blocks[block, TERMS_OF_BLOCK]
    rows = carray(int32_pointer(blocks[block, ROWS]), count)
    high = carray(uint8_pointer(blocks[block, HIGH]), blocks[block, DENSE_BYTES])
    below = np.int64(0)
    above = np.int64(0)
    # A row waits here for a second one, so that two are added in one pass.
    waiting = np.int64(-1)
    waiting_multiplier = np.int32(0)
    first = True
    for at in range(len(terms)):
        slot = slots[terms[at], block]
        if slot < 0 or multipliers[at] == 0 or rows[slot] < 0:
            continue
        multiplier = multipliers[at]
        # What the high byte leaves out: the low byte, and the multiplier's own low bits.
        low_part = (abs(multiplier) * 255 + UNITS - 1) // UNITS
        if multiplier > 0:
            above += low_part + 257
        else:
            below += low_part + 257
            above += 1
        begin = rows[slot] * stride
        if waiting < 0:
            waiting = begin
            waiting_multiplier = high_multiplier(multiplier)
            continue
        add_two_rows(
            scores[:stride],
            high[waiting : waiting + stride],
            high[begin : begin + stride],
            waiting_multiplier,
            high_multiplier(multiplier),
            first,
        )
        first = False
        waiting = np.int64(-1)
    if waiting >= 0:
        add_row(scores[:stride], high[waiting : waiting + stride], waiting_multiplier, first)
    elif first:
        scores[:stride] = 0
    offsets = carray(uint32_pointer(blocks[block, OFFSETS]), count + 1)
    postings = carray(uint32_pointer(blocks[block, POSTINGS]), blocks[block, POSTING_COUNT])
    for at in range(len(terms)):
        slot = slots[terms[at], block]
        if slot >= 0 and multipliers[at] != 0 and rows[slot] < 0:
            add_posting_list(
                scores,
                postings[np.int64(offsets[slot]) : np.int64(offsets[slot + 1])],
                multipliers[at],
            )
    deleted = carray(uint16_pointer(blocks[block, DELETED]), blocks[block, DELETED_COUNT])
    for document in deleted:
        scores[document] = DELETED_SCORE
    return below, above


@njit(nogil=True, error_model="numpy")
def add_posting_list(scores, posting_list, multiplier):  # type: ignore[no-untyped-def]
    """Add the contribution of each posting to the score of its document."""
    for posting in posting_list:
        units = contribution(multiplier, np.int64(posting >> np.uint32(16)))
        scores[posting & np.uint32(0xFFFF)] += np.int32(units)


@njit(nogil=True, error_model="numpy")
def add_row(scores, row, multiplier, first):  # type: ignore[no-untyped-def]
    """Add one dense row of high bytes; `first` overwrites, which spares zeroing the scores."""
    if first:
        for document in range(len(row)):
            scores[document] = np.int32(row[document]) * multiplier
    else:
        for document in range(len(row)):
            scores[document] += np.int32(row[document]) * multiplier


@njit(nogil=True, error_model="numpy")
def add_two_rows(scores, row, other, multiplier, other_multiplier, first):  # type: ignore[no-untyped-def]
    """Add two dense rows in one pass over the scores."""
    if first:
        for document in range(len(row)):
            scores[document] = (
                np.int32(row[document]) * multiplier + np.int32(other[document]) * other_multiplier
            )
    else:
        for document in range(len(row)):
            scores[document] += (
                np.int32(row[document]) * multiplier + np.int32(other[document]) * other_multiplier
            )


@njit(nogil=True, error_model="numpy")
def complete_score(blocks, block, slots, terms, multipliers, document, score):  # type: ignore[no-untyped-def]
    """True score of a document whose dense rows were added by their high bytes alone."""
    stride = blocks[block, STRIDE]
    rows = carray(int32_pointer(blocks[block, ROWS]), blocks[block, TERMS_OF_BLOCK])
    high = carray(uint8_pointer(blocks[block, HIGH]), blocks[block, DENSE_BYTES])
    low = carray(uint8_pointer(blocks[block, LOW]), blocks[block, DENSE_BYTES])
    total = np.int64(score)
    for at in range(len(terms)):
        slot = slots[terms[at], block]
        if slot < 0 or multipliers[at] == 0 or rows[slot] < 0:
            continue
        cell = rows[slot] * stride + document
        upper = np.int64(high[cell])
        total -= upper * np.int64(high_multiplier(multipliers[at]))
        total += contribution(multipliers[at], upper << 8 | np.int64(low[cell]))
    return total


@njit(nogil=True, error_model="numpy")
def impacts_of(blocks, block, slots, terms, document, impacts):  # type: ignore[no-untyped-def]
    """Write the impact of each term (T,) in one document into `impacts` (T,) int64, 0 for none."""
    stride = blocks[block, STRIDE]
    count = blocks[block, TERMS_OF_BLOCK]
    rows = carray(int32_pointer(blocks[block, ROWS]), count)
    offsets = carray(uint32_pointer(blocks[block, OFFSETS]), count + 1)
    postings = carray(uint32_pointer(blocks[block, POSTINGS]), blocks[block, POSTING_COUNT])
    high = carray(uint8_pointer(blocks[block, HIGH]), blocks[block, DENSE_BYTES])
    low = carray(uint8_pointer(blocks[block, LOW]), blocks[block, DENSE_BYTES])
    for at in range(len(terms)):
        impacts[at] = 0
        slot = slots[terms[at], block]
        if slot < 0:
            continue
        if rows[slot] >= 0:
            cell = rows[slot] * stride + document
            impacts[at] = np.int64(high[cell]) << 8 | np.int64(low[cell])
        else:
            for posting in postings[np.int64(offsets[slot]) : np.int64(offsets[slot + 1])]:
                if np.int64(posting & np.uint32(0xFFFF)) == document:
                    impacts[at] = np.int64(posting >> np.uint32(16))
                    break
