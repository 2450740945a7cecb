"""Oracles: exhaustive scoring, in float64 from the original weights and in whole numbers."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.retrieval.units import LARGEST_SCORE, UNITS

Float = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Query:
    terms: npt.NDArray[np.int32]
    weights: Float


def float_scores(matrix: Float, query: Query) -> Float:
    """Scores of all documents of a dense (N, V) matrix, in float64."""
    scores: Float = matrix[:, query.terms].astype(np.float64) @ query.weights
    return scores


def score_tolerance(query: Query, step: float) -> float:
    """How far a score may be from the exact one: half a step a term (a whole one for weights
    that were rounded up to the smallest impact), and a little for the units of the accumulator."""
    total = float(np.abs(query.weights).sum())
    units = (len(query.terms) + 2) * total * step * UNITS / LARGEST_SCORE
    return total * step + units + 1e-12


def whole_scores(matrix: Float, query: Query, step: float) -> tuple[list[int], float]:
    """Scores in units of the accumulator, by arithmetic on Python's own integers."""
    total = float(np.abs(query.weights).sum())
    if total == 0:
        return [0] * len(matrix), 0.0
    scale = LARGEST_SCORE / total
    multipliers = [
        max(round(weight * scale), 1) if weight > 0 else round(weight * scale)
        for weight in query.weights.tolist()
    ]
    scores = []
    for row in matrix:
        score = 0
        for term, multiplier in zip(query.terms.tolist(), multipliers, strict=True):
            weight = float(np.float32(row[term]))
            if weight > 0:
                impact = min(max(round(weight / step), 1), 65535)
                score += -((-multiplier * impact) // UNITS)
        scores.append(score)
    return scores, UNITS / scale * step


def whole_top_k(scores: list[int], live: npt.NDArray[np.bool_], k: int) -> list[int]:
    """Documents of the best k positive scores; ties go to the earlier document."""
    candidates = [at for at, score in enumerate(scores) if score > 0 and live[at]]
    return sorted(candidates, key=lambda at: (-scores[at], at))[:k]


def assert_float_order(
    found: list[int], exact: Float, live: npt.NDArray[np.bool_], k: int, tolerance: float
) -> None:
    """The order of `found` is that of exact scores, up to the tolerance on each of two scores."""
    for better, worse in itertools.pairwise(found):
        assert exact[better] >= exact[worse] - 2 * tolerance
    left_out = [at for at in range(len(exact)) if live[at] and at not in set(found)]
    if found and len(found) == k:
        floor = exact[found[-1]]
        assert all(exact[at] <= floor + 2 * tolerance for at in left_out)
    elif len(found) < k:
        assert all(exact[at] <= tolerance for at in left_out)


def is_close(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
