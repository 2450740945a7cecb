"""Recall of an engine's answers, and the cheapest of its settings that reaches a recall."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.exhaustive import ExhaustiveScores
from benchmarks.worker import Worker


def judged(oracle: ExhaustiveScores, answers: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Mean recall, and the largest error of a score, over the queries of the oracle."""
    verdicts = [
        oracle.judge(
            query,
            np.array(answer["documents"], np.int64),
            np.array(answer["scores"], np.float64),
            answer["score_error"],
        )
        for query, answer in enumerate(answers)
    ]
    recalls, errors = np.array(verdicts).reshape(-1, 2).T
    return {"recall": float(recalls.mean()), "max_score_error": float(errors.max())}


def tuned_settings(
    worker: Worker,
    oracle: ExhaustiveScores,
    targets: Sequence[float],
    count: int,
    k: int,
    limit_s: float,
) -> tuple[dict[float, dict[str, Any]], str | None]:
    """For each recall, the setting that reached it in the least time on the tuning queries.

    The worker was asked the tuning queries before.

    Returns:
        (recall -> setting, what became of recalls that no setting reached within `limit_s`).
    """
    end = time.monotonic() + limit_s
    reaching: list[tuple[float, float, dict[str, Any]]] = []
    best = tried = 0.0
    settings = worker.call("settings")
    for setting in settings:
        if time.monotonic() > end:
            break
        answers = worker.call("answers", setting=setting, count=count, k=k)
        recall = judged(oracle, answers)["recall"]
        best, tried = max(best, recall), tried + 1
        if recall >= min(targets):
            elapsed = worker.call("round", setting=setting, k=k, budget_s=2.0)
            reaching.append((float(np.mean(elapsed)), recall, setting))
    chosen: dict[float, dict[str, Any]] = {}
    for target in targets:
        enough = [(cost, setting) for cost, recall, setting in reaching if recall >= target]
        if enough:
            chosen[target] = min(enough, key=lambda one: one[0])[1]
    missed = ", ".join(f"{target:g}" for target in targets if target not in chosen)
    if not missed:
        return chosen, None
    return chosen, (
        f"no setting reached recall {missed} on the tuning queries; the best of "
        f"{tried:.0f} of {len(settings)} reached {best:.4f}"
    )
