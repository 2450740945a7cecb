"""Rounds of several engines, interleaved, so that a busy moment slows all alike."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.effort import Effort
from benchmarks.worker import Worker

PERCENTILES = (50, 95, 99)
# A first round that ended as early as a measured one may would leave queries to warm up later, and
# what an engine does once for each term would show as its tail.
_WARM_UP_S = 60.0


@dataclass
class Runner:
    """An engine that is loaded, and what was measured of it."""

    engine: str
    worker: Worker
    figures: dict[str, Any]
    # Label -> setting, for the set of queries at hand; a label is a row of a report.
    variants: dict[str, dict[str, Any]] = field(default_factory=dict)
    # Bytes of its process before it loaded the index.
    memory_before: dict[str, int] = field(default_factory=dict)


@dataclass
class Rounds:
    """What measured rounds of a variant gave.

    Attributes:
        microseconds: latencies, of each round those of its queries.
        preempted: how often another process was given the CPU meanwhile; None if nobody knows.
    """

    microseconds: list[list[float]] = field(default_factory=list)
    preempted: int | None = 0

    def add(self, elapsed: list[float], before: int | None, after: int | None) -> None:
        """Add a round, and how often the process had been preempted before and after it."""
        self.microseconds.append(elapsed)
        if self.preempted is None or before is None or after is None:
            self.preempted = None
        else:
            self.preempted += after - before


def latencies(turns: Sequence[tuple[Runner, str]], effort: Effort) -> dict[str, Rounds]:
    """Rounds of each variant; a first round, not counted, warms caches."""
    rounds = {label: Rounds() for _, label in turns}
    for number in range(-1, effort.rounds):
        # Turns change hands, so that none always follows the same engine.
        for runner, label in turns if number % 2 else reversed(turns):
            before = runner.worker.preemptions()
            elapsed = runner.worker.call(
                "round",
                setting=runner.variants[label],
                k=effort.k,
                budget_s=effort.round_limit_s if number >= 0 else _WARM_UP_S,
            )
            after = runner.worker.preemptions()
            if number >= 0:
                rounds[label].add(elapsed, before, after)
    return rounds


def batch_rates(turns: Sequence[tuple[Runner, str]], effort: Effort) -> dict[str, dict[str, float]]:
    """Queries a second by variant and number of threads, medians over interleaved rounds."""
    seconds: dict[str, dict[str, list[float]]] = {label: {} for _, label in turns}
    counts: dict[str, int] = {}
    for _ in range(effort.batch_rounds):
        for threads in range(1, 1 + min(2, len(os.sched_getaffinity(0)))):
            for runner, label in turns:
                setting = runner.variants[label]
                if label not in counts:
                    # What a round of single queries manages in its time, a batch does too.
                    done = runner.worker.call(
                        "round", setting=setting, k=effort.k, budget_s=effort.round_limit_s
                    )
                    counts[label] = len(done)
                # Cores that were idle while others had their turn take their time to wake up; a
                # batch that is not counted sees to that.
                for _ in range(2):
                    elapsed = runner.worker.call(
                        "batch", setting=setting, count=counts[label], k=effort.k, threads=threads
                    )
                seconds[label].setdefault(str(threads), []).append(elapsed)
    return {
        label: {
            threads: counts[label] / float(np.median(elapsed))
            for threads, elapsed in by_threads.items()
        }
        for label, by_threads in seconds.items()
    }


def percentiles(rounds: list[list[float]]) -> dict[str, Any]:
    """Medians over rounds of each percentile; a slow engine's rounds may differ in length."""
    table = np.array([np.percentile(one, PERCENTILES) for one in rounds]).T
    figures: dict[str, Any] = {
        f"p{percentile}_us": float(np.median(row))
        for percentile, row in zip(PERCENTILES, table, strict=True)
    }
    return figures | {
        "p50_us_by_round": table[0].tolist(),
        "p99_us_by_round": table[-1].tolist(),
        "queries_a_round": min(len(one) for one in rounds),
    }
