"""What this engine is meant to reach, and whether a set of results shows that it does."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.results import Results, ratio_to_ours

_SEISMIC = "seismic 0.985"
_BUDGETED = "sabana-rho 0.985"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One row: what is wanted, what was found.

    Attributes:
        what: the quantity.
        collection: on which collection.
        target: the bound, in words.
        figure: what was measured, in the unit of the bound, or None.
        holds: whether it is within the bound, or None where it was not measured.
        command: what measured it.
    """

    what: str
    collection: str
    target: str
    figure: float | None
    unit: str
    holds: bool | None
    command: str


Measure = Callable[[Results], float | None]


@dataclass(frozen=True, slots=True)
class _Target:
    what: str
    collection: str
    relation: Literal["at most", "at least", "below"]
    bound: float
    unit: str
    measure: Measure

    def judge(self, results: Results) -> Verdict:
        figure = self.measure(results)
        command = ""
        record = results.record(self.collection, "sabana")
        if self.measure is _end_to_end:
            record = results.end_to_end
        if figure is not None and record is not None:
            command = str(record["command"])
        compare = {"at most": operator.le, "at least": operator.ge, "below": operator.lt}
        holds = None if figure is None else compare[self.relation](figure, self.bound)
        target = f"{self.relation} {self.bound:g}{self.unit}"
        return Verdict(self.what, self.collection, target, figure, self.unit, holds, command)


def _p50_against(collection: str, query_set: str, label: str) -> Measure:
    def measure(results: Results) -> float | None:
        figures = results.figures(collection, query_set, label)
        return None if figures is None else ratio_to_ours(figures)

    return measure


def _p99_against_p50(results: Results) -> float | None:
    figures = results.figures("s1m", "q6", _SEISMIC)
    if figures is None or "sabana" not in figures["beside"]:
        return None
    return float(figures["beside"]["sabana"]["p99_us"]) / float(figures["p50_us"])


def _batch_against(label: str) -> Measure:
    def measure(results: Results) -> float | None:
        figures = results.figures("s1m", "q6", _SEISMIC)
        ours = None if figures is None else figures["beside"].get(label)
        if figures is None or ours is None or "1" not in ours["batch_qps"]:
            return None
        return float(ours["batch_qps"]["1"]) / float(figures["batch_qps"]["1"])

    return measure


def _two_threads(results: Results) -> float | None:
    figures = results.figures("s1m", "q6", "sabana")
    if figures is None or "2" not in figures["batch_qps"]:
        return None
    return float(figures["batch_qps"]["2"]) / float(figures["batch_qps"]["1"])


def _of_record(collection: str, read: Callable[[dict[str, Any]], float | None]) -> Measure:
    def measure(results: Results) -> float | None:
        record = results.record(collection, "sabana")
        return None if record is None else read(record)

    return measure


def _first_answer(record: dict[str, Any]) -> float | None:
    times = record.get("first_answer_s")
    return None if not times else float(times["median"])


def _first_answer_ratio(results: Results) -> float | None:
    ours, theirs = (results.record("s100k", name) for name in ("sabana", "splade-index"))
    if ours is None or theirs is None:
        return None
    mine, other = _first_answer(ours), _first_answer(theirs)
    return None if mine is None or other is None else mine / other


def _peak_against_csr(record: dict[str, Any]) -> float | None:
    csr = record["collection"].get("csr_bytes")
    return None if not csr else float(record["build"]["peak_bytes"]) / float(csr)


def _growth(small: str, large: str) -> Measure:
    def measure(results: Results) -> float | None:
        pair = [results.figures(name, "q6", "sabana") for name in (small, large)]
        if pair[0] is None or pair[1] is None:
            return None
        return float(pair[1]["p50_us"]) / float(pair[0]["p50_us"])

    return measure


def _end_to_end(results: Results) -> float | None:
    found = results.end_to_end
    return None if found is None else float(found["ratio_to_kernel"])


_TIMES, _OF_IT = " times", " of theirs"
TARGETS = (
    _Target(
        "q6, p50 against splade-index", "s100k", "at most", 0.30, _OF_IT,
        _p50_against("s100k", "q6", "splade-index"),
    ),
    _Target(
        "q6, p50 against splade-index, exact", "s1m", "at most", 0.22, _OF_IT,
        _p50_against("s1m", "q6", "splade-index"),
    ),
    _Target(
        "q40, p50 against splade-index, exact", "s1m", "at most", 0.22, _OF_IT,
        _p50_against("s1m", "q40", "splade-index"),
    ),
    _Target(
        "q6, p50 against splade-index (800 active dimensions)", "w100k", "at most", 0.33, _OF_IT,
        _p50_against("w100k", "q6", "splade-index"),
    ),
    _Target(
        "q6, p99 exact against Seismic's p50 at recall 0.985", "s1m", "at most", 2.5, _TIMES,
        _p99_against_p50,
    ),
    _Target(
        "q6, batch on 1 thread, exact, against Seismic's at recall 0.985", "s1m", "at least", 1.0,
        _TIMES, _batch_against("sabana"),
    ),
    _Target(
        "q6, batch on 1 thread, rho at recall 0.985, against Seismic's", "s1m", "at least", 1.5,
        _TIMES, _batch_against(_BUDGETED),
    ),
    _Target("q6, batch on 2 threads against 1", "s1m", "at least", 1.7, _TIMES, _two_threads),
    _Target(
        "end to end, text to documents, p50 against the kernel's own", "real", "at most", 3.0,
        _TIMES, _end_to_end,
    ),
    _Target(
        "process start to first answer", "s100k", "below", 0.7, " s",
        _of_record("s100k", _first_answer),
    ),
    _Target(
        "process start to first answer against splade-index", "s100k", "at most", 0.1, _OF_IT,
        _first_answer_ratio,
    ),
    _Target(
        "disk", "s1m", "at most", 720.0, " MB",
        _of_record("s1m", lambda record: record["build"]["disk_bytes"] / 1e6),
    ),
    _Target(
        "memory added at load and by queries", "s1m", "at most", 720.0, " MB",
        _of_record("s1m", lambda record: sum(record["load"]["added"].values()) / 1e6),
    ),
    _Target(
        "build from CSR, committed", "s1m", "at most", 20.0, " s",
        _of_record("s1m", lambda record: record["build"]["build_s"]),
    ),
    _Target(
        "peak memory of the build against the CSR itself", "s1m", "below", 2.0, _TIMES,
        _of_record("s1m", _peak_against_csr),
    ),
    _Target(
        "10 times the documents, p50", "s100k", "at most", 8.0, _TIMES, _growth("s10k", "s100k"),
    ),
    _Target(
        "10 times the documents, p50", "s1m", "at most", 8.0, _TIMES, _growth("s100k", "s1m"),
    ),
)  # fmt: skip


def verdicts(results: Results) -> Iterator[Verdict]:
    """Judge all targets."""
    for target in TARGETS:
        yield target.judge(results)
