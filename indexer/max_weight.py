"""The largest weight that an index holds, which decides its quantization step: a power of two."""

from __future__ import annotations

import math

import numpy as np

from engine.errors import UsageError

# log1p(relu(logit)) reaches 8 at a logit of 2,980; models stay below 4. Sums over the tokens of a
# document can be much larger. The weight of impact 1 is the 65,536th part of this.
_OF_MAX_POOLING = 8.0
_OF_SUM_POOLING = 1024.0
_SMALLEST = 1e-30
_LARGEST = float(np.finfo(np.float32).max)


def max_weight_of(pooling: str) -> float:
    """The largest weight for a model whose document encoder pools by `max` or `sum`."""
    return _OF_SUM_POOLING if pooling == "sum" else _OF_MAX_POOLING


def max_weight_for(largest: float) -> float:
    """The largest weight for an index whose first vectors have weights up to `largest`."""
    return _power_of_two(2 * (largest or 0.5))


def checked_max_weight(weight: float) -> float:
    """The power of two that is a largest weight somebody named, or the next one above.

    Raises:
        UsageError: float32 does not hold it, or it is too small.
    """
    if not _SMALLEST <= weight <= _LARGEST:
        raise UsageError(
            f"max_weight must be from {_SMALLEST:g} to the largest float32, not {weight}"
        )
    return _power_of_two(weight)


def _power_of_two(weight: float) -> float:
    return float(2.0 ** math.ceil(math.log2(weight)))
