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
) -> dict[float, dict[str, Any]]:
    """For each recall, the setting that reached it in the least time on the tuning queries.

    The worker was asked the tuning queries before. A recall that no setting reaches, in the time
    that there is, is left out.
    """
    end = time.monotonic() + limit_s
    tried: list[tuple[float, float, dict[str, Any]]] = []
    for setting in worker.call("settings"):
        if time.monotonic() > end:
            break
        answers = worker.call("answers", setting=setting, count=count, k=k)
        elapsed = worker.call("round", setting=setting, k=k, budget_s=2.0)
        recall = judged(oracle, answers)["recall"]
        tried.append((float(np.mean(elapsed)), recall, setting))
    chosen: dict[float, dict[str, Any]] = {}
    for target in targets:
        reaching = [(cost, setting) for cost, recall, setting in tried if recall >= target]
        if reaching:
            chosen[target] = min(reaching, key=lambda one: one[0])[1]
    return chosen
