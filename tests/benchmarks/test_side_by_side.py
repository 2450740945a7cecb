"""Comparisons with engines of our own making: groups, failures, settings that reach a recall."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from benchmarks.collections import CollectionShape, SyntheticCollection
from benchmarks.effort import Effort
from benchmarks.exhaustive import ExhaustiveScores
from benchmarks.interleaved_rounds import Rounds, Runner, percentiles
from benchmarks.recall import judged, tuned_settings
from benchmarks.side_by_side import _groups, _measure_rounds
from benchmarks.worker import Worker, WorkerError


def _record(gigabytes: float) -> dict[str, Any]:
    return {"build": {"disk_bytes": int(gigabytes * 1e9)}}


def test_engines_that_do_not_fit_are_measured_apart_with_the_anchor_in_each() -> None:
    records = {"sabana": _record(1), "a": _record(4), "b": _record(4), "c": _record(8)}
    records["skipped"] = {"skipped": "not installed"}
    assert _groups(records, 10.0) == [["sabana", "a", "b"], ["sabana", "c"]]
    assert _groups(records, 100.0) == [["sabana", "a", "b", "c"]]
    # One that never fits is measured all the same: it may be smaller in memory.
    assert _groups(records, 2.0) == [["sabana", "a"], ["sabana", "b"], ["sabana", "c"]]
    assert _groups({"skipped": {"skipped": "why"}}, 1.0) == []


def test_percentiles_are_medians_over_rounds() -> None:
    figures = percentiles([[1.0, 2.0, 3.0], [2.0, 3.0, 4.0], [100.0, 100.0]])
    assert figures["p50_us"] == 3.0
    assert figures["p50_us_by_round"] == [2.0, 3.0, 100.0]
    assert figures["queries_a_round"] == 2


class _Pretender:
    """Answers as a worker whose settings find the first so many of five true hits."""

    def __init__(self, hits: Sequence[np.ndarray[Any, Any]], cost: dict[int, float]) -> None:
        self._hits = hits
        self._cost = cost

    def call(self, command: str, **arguments: Any) -> Any:
        if command == "settings":
            return [{"found": found} for found in self._cost]
        found = arguments["setting"]["found"]
        if command == "round":
            return [self._cost[found]]
        return [
            {
                "documents": documents[:found].tolist(),
                "scores": [1.0] * found,
                "score_error": 0.0,
            }
            for documents in self._hits
        ]


def test_cheapest_setting_that_reaches_a_recall() -> None:
    source = SyntheticCollection(CollectionShape(15, vocabulary_size=400, topics=5))
    rows, queries = source.documents(200), source.queries(4, 4)
    oracle = ExhaustiveScores(rows, 400, queries, 5)
    best = [
        np.argsort(-oracle.scores(at, np.arange(200)), kind="stable")[:5]
        for at in range(len(queries))
    ]
    worker: Any = _Pretender(best, {1: 1.0, 3: 2.0, 4: 9.0, 5: 5.0})
    chosen, missed = tuned_settings(worker, oracle, (0.5, 0.8, 1.0), 4, 5, 60.0)
    # Four of five are enough for 0.8, but five are found in less time.
    assert chosen == {0.5: {"found": 3}, 0.8: {"found": 5}, 1.0: {"found": 5}}
    assert missed is None
    few: Any = _Pretender(best, {1: 1.0})
    chosen, missed = tuned_settings(few, oracle, (0.2, 0.5), 4, 5, 60.0)
    assert chosen == {0.2: {"found": 1}}
    assert missed == (
        "no setting reached recall 0.5 on the tuning queries; the best of 1 of 1 reached 0.2000"
    )
    assert judged(oracle, worker.call("answers", setting={"found": 5}))["recall"] == 1.0


class _Mortal:
    """Answers as a worker that dies in a round after so many calls."""

    def __init__(self, engine: str, calls: int) -> None:
        self._engine = engine
        self._left = calls
        self._switches = 5

    def preemptions(self) -> int:
        return self._switches

    def call(self, command: str, **arguments: Any) -> Any:
        self._left -= 1
        self._switches += 2
        if self._left < 0:
            raise WorkerError(self._engine, f"{command} failed: no more")
        answers: dict[str, Any] = {"round": [1.0, 2.0], "batch": 0.5, "memory": {"file": 7}}
        return answers[command]


@pytest.mark.parametrize("calls", [0, 3, 5])
def test_engine_that_fails_in_a_round_leaves_the_others_measured(calls: int) -> None:
    def runner(engine: str, calls: int) -> Runner:
        worker: Any = _Mortal(engine, calls)
        figures = {"load": {}, "results": {"q6": {engine: {"recall": 1.0}}}}
        return Runner(engine, worker, figures, {engine: {}}, {"file": 3})

    sound, mortal = runner("sound", 1_000), runner("mortal", calls)
    effort = Effort(rounds=2, batch_rounds=2)
    assert _measure_rounds([sound, mortal], "q6", effort) == [mortal]
    assert "failed: no more" in mortal.figures["skipped"]
    assert "skipped" not in sound.figures
    figures = sound.figures["results"]["q6"]["sound"]
    assert (figures["p50_us"], set(figures["beside"])) == (1.5, {"sound"})
    assert sound.figures["load"]["added"] == {"file": 4}
    assert figures["preempted"] == 2 * effort.rounds


def test_preemptions_that_nobody_knows_are_not_counted() -> None:
    rounds = Rounds()
    rounds.add([1.0], 3, 7)
    assert rounds.preempted == 4
    rounds.add([1.0], None, 9)
    rounds.add([1.0], 9, 10)
    assert [rounds.preempted, len(rounds.microseconds)] == [None, 3]


def test_worker_that_fails_says_why() -> None:
    with (
        pytest.raises(WorkerError, match=r"load failed: .*no/such/folder"),
        Worker("scipy") as worker,
    ):
        worker.call("load", folder="no/such/folder")


def test_worker_that_takes_too_long_is_ended() -> None:
    with pytest.raises(WorkerError, match="memory took longer than 0 s"), Worker("scipy") as worker:
        worker.call("memory", limit_s=0.01)
