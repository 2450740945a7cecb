"""How sure a mean over queries is, and whether two systems differ by more than chance.

Both methods treat the wordings of one query (keywords, a question) as one observation: they stand
or fall together, and counting them twice would make everything look surer than it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

SEED = 42
RESAMPLES = 5_000
PERMUTATIONS = 10_000
CONFIDENCE = 0.95
_CHUNK_NUMBERS = 1 << 22


class Interval(NamedTuple):
    """The two ends of a confidence interval."""

    low: float
    high: float


def bootstrap_intervals(
    values: Values, observations: Sequence[str], *, resamples: int = RESAMPLES, seed: int = SEED
) -> list[Interval]:
    """Return the 95 % percentile bootstrap interval of the mean of each column.

    Args:
        values: (Q, M) measures of each query.
        observations: Q names; rows of one name are drawn together.
        resamples: how many times as many observations as there are drawn with replacement.
        seed: of the random numbers.
    """
    sums, sizes = _by_observation(values, observations)
    generator = np.random.default_rng(seed)
    means = np.empty((resamples, values.shape[1]))
    total = len(sizes)
    step = max(1, _CHUNK_NUMBERS // total)
    for begin in range(0, resamples, step):
        rows = min(step, resamples - begin)
        drawn = generator.integers(total, size=(rows, total))
        drawn += np.arange(rows)[:, None] * total
        times = np.bincount(drawn.ravel(), minlength=rows * total).reshape(rows, total)
        means[begin : begin + rows] = (times @ sums) / (times @ sizes)[:, None]
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(means, [tail, 100 - tail], axis=0)
    return [Interval(*ends) for ends in zip(low.tolist(), high.tolist(), strict=True)]


def randomization_test(
    first: Values,
    second: Values,
    observations: Sequence[str],
    *,
    permutations: int = PERMUTATIONS,
    seed: int = SEED,
) -> list[float]:
    """Return the two-sided p-value of the difference of means of each column.

    The paired randomization test: were the systems alike, each difference could as well have the
    other sign. p is the share of random choices of signs, the true one among them, that give a
    difference of means as large as the one found.

    Args:
        first: (Q, M) measures of one system.
        second: (Q, M) measures of the other, for the same queries.
        observations: Q names; rows of one name change signs together.
        permutations: how many random choices of signs.
        seed: of the random numbers.
    """
    differences, _ = _by_observation(first - second, observations)
    found = np.abs(differences.sum(axis=0))
    # Sums in another order differ in the last digits: what is equal must count as equal.
    least = found * (1 - 1e-9) - 1e-12
    generator = np.random.default_rng(seed)
    as_large = np.ones(differences.shape[1])
    step = max(1, _CHUNK_NUMBERS // len(differences))
    for begin in range(0, permutations, step):
        rows = min(step, permutations - begin)
        signs = generator.integers(2, size=(rows, len(differences)), dtype=np.int8) * 2.0 - 1.0
        as_large += (np.abs(signs @ differences) >= least).sum(axis=0)
    p: list[float] = (as_large / (permutations + 1)).tolist()
    return p


def _by_observation(values: Values, observations: Sequence[str]) -> tuple[Values, Values]:
    """Sums of the rows of each observation, (O, M), and how many rows each has, (O,)."""
    places: dict[str, int] = {}
    at = np.array([places.setdefault(name, len(places)) for name in observations], np.int64)
    sums = np.zeros((len(places), values.shape[1]))
    np.add.at(sums, at, values)
    return sums, np.bincount(at, minlength=len(places)).astype(np.float64)
