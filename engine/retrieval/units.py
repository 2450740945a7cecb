"""Units: the whole numbers in which kernels score.

Scores are integers. A query weight becomes a multiplier, and a posting contributes
`ceil(multiplier * impact / 65536)` units, where the multipliers of a query are scaled so that no
document can reach 2**31 units. Integer sums do not depend on the order of addition, so a document
has one score whether its postings lie in lists or dense rows, in one segment or in ten, and equal
documents tie exactly. The unit is about 2**-31 of the largest score possible, far below the
quantization of impacts.
"""

from __future__ import annotations

import numpy as np
from numba import njit

UNITS = 1 << 16
# Leaves room for rounding each contribution up, for queries of up to 2**16 terms.
LARGEST_SCORE = (1 << 31) - (1 << 18)


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
