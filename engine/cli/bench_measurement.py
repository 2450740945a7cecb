"""What `engine bench` measures: rounds of all queries, one by one and in batches."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine import SearchEngine, __version__
from engine.stage_times import StageTimes, time_stages

_BATCH = 1000
_BINS = 12
_PERCENTILES = (50, 95, 99)


@dataclass(frozen=True, slots=True)
class Workload:
    """What is asked, how, and how often; `rho` as `SearchEngine.search` takes it."""

    queries: Sequence[str]
    k: int
    threads: int
    rounds: int
    rho: float | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures of a workload.

    Attributes:
        latencies: (Q,) float64, milliseconds of each query from its text to its documents: the
            median over the rounds.
        stages: milliseconds by stage: the mean over queries of medians over the rounds.
        throughput: queries a second, by how they are asked.
        without_hits: queries that found nothing.
        recall: share of the exact hits that are found, 1 where nothing is left out.
    """

    workload: Workload
    latencies: npt.NDArray[np.float64]
    stages: dict[str, float]
    throughput: dict[str, float]
    without_hits: int
    recall: float = 1.0

    @property
    def percentiles(self) -> dict[str, float]:
        """Milliseconds: p50, p95, p99, and the mean."""
        found = np.percentile(self.latencies, _PERCENTILES).tolist()
        named = {f"p{at}": value for at, value in zip(_PERCENTILES, found, strict=True)}
        return {**named, "mean": float(self.latencies.mean())}

    @property
    def slowest(self) -> tuple[str, float]:
        """The query with the highest latency, and this latency in milliseconds."""
        at = int(self.latencies.argmax())
        return self.workload.queries[at], float(self.latencies[at])

    def histogram(self) -> Iterator[tuple[float, float, int]]:
        """Bins of latencies: from and to, in milliseconds, and how many queries are between.

        Each is as many times longer than the one before, as latencies spread upwards.
        """
        low, high = float(self.latencies.min()), float(self.latencies.max())
        if low == high:
            yield low, high, len(self.latencies)
            return
        # Rounding must leave nothing outside, and no edge before another.
        edges = np.maximum.accumulate(np.geomspace(low, high, _BINS + 1).clip(low, high))
        edges[0], edges[-1] = low, high
        counts, _ = np.histogram(self.latencies, edges)
        yield from zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        query, slowest = self.slowest
        return {
            "queries": len(self.workload.queries),
            "without_hits": self.without_hits,
            "k": self.workload.k,
            "rounds": self.workload.rounds,
            "rho": self.workload.rho,
            "recall": round(self.recall, 5),
            "latency_ms": _rounded({**self.percentiles, "slowest": slowest}, 5),
            "slowest_query": query,
            "queries_a_second": _rounded(self.throughput, 1),
            "stages_ms": _rounded(self.stages, 5),
            "histogram": [
                {**_rounded({"from_ms": low, "to_ms": high}, 5), "queries": count}
                for low, high, count in self.histogram()
            ],
            "software": __version__,
        }


def _rounded(values: dict[str, float], digits: int) -> dict[str, float]:
    return {name: round(value, digits) for name, value in values.items()}


def measure(engine: SearchEngine, workload: Workload) -> Measured:
    """Ask all queries in rounds, after one that warms up and is not counted.

    Postings are verified when they are first read, and pages come into memory: the round before
    the first does both. Each round asks one by one, in batches, and with a clock between stages,
    so that whatever else the machine does meets all of them alike.
    """
    latencies: list[npt.NDArray[np.float64]] = []
    stages: list[npt.NDArray[np.float64]] = []
    rates: dict[str, list[float]] = {}
    without_hits = 0
    for at in range(workload.rounds + 1):
        latency = _one_by_one(engine, workload)
        in_round = {"one by one": 1000 / float(latency.mean())}
        for threads in sorted({1, workload.threads}):
            name = f"in batches, {threads} thread{'s' if threads > 1 else ''}"
            in_round[name] = len(workload.queries) / _in_batches(engine, workload, threads)
        stage, without_hits = _by_stage(engine, workload)
        if at:
            latencies.append(latency)
            stages.append(stage)
            for name, rate in in_round.items():
                rates.setdefault(name, []).append(rate)
    return Measured(
        workload=workload,
        latencies=np.median(latencies, axis=0),
        stages=dict(
            zip(StageTimes.__slots__, np.median(stages, axis=0).mean(axis=0).tolist(), strict=True)
        ),
        throughput={name: float(np.median(values)) for name, values in rates.items()},
        without_hits=without_hits,
        recall=1.0 if workload.rho is None else _recall(engine, workload),
    )


def _one_by_one(engine: SearchEngine, workload: Workload) -> npt.NDArray[np.float64]:
    """Milliseconds of each query, (Q,), from its text to the documents of its hits."""
    times = np.empty(len(workload.queries))
    for at, query in enumerate(workload.queries):
        begun = time.perf_counter_ns()
        for hit in engine.search(query, workload.k, rho=workload.rho):
            _ = hit.document
        times[at] = time.perf_counter_ns() - begun
    return times / 1e6


def _in_batches(engine: SearchEngine, workload: Workload, threads: int) -> float:
    """Seconds for all queries, from their texts to the documents of their hits."""
    begun = time.perf_counter()
    for at in range(0, len(workload.queries), _BATCH):
        some = workload.queries[at : at + _BATCH]
        for results in engine.search_batch(some, workload.k, threads=threads, rho=workload.rho):
            for hit in results:
                _ = hit.document
    return time.perf_counter() - begun


def _by_stage(engine: SearchEngine, workload: Workload) -> tuple[npt.NDArray[np.float64], int]:
    """Milliseconds of each query by stage, (Q, stages), and how many queries found nothing."""
    times = np.empty((len(workload.queries), len(StageTimes.__slots__)))
    without_hits = 0
    for at, query in enumerate(workload.queries):
        results, stages = time_stages(engine, query, workload.k, workload.rho)
        times[at] = astuple(stages)
        without_hits += not results.hits
    return times / 1e6, without_hits


def _recall(engine: SearchEngine, workload: Workload) -> float:
    """Share of the exact hits of all queries that are found; of equal scores either is right."""
    found = wanted = 0
    for query in workload.queries:
        exact = engine.search(query, workload.k).hits
        if not exact:
            continue
        wanted += len(exact)
        hits = engine.search(query, workload.k, rho=workload.rho).hits
        found += sum(hit.score >= exact[-1].score for hit in hits)
    return found / wanted if wanted else 1.0
