"""Engines side by side on one collection: each in its own process, their rounds interleaved."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.built_index import OURS, built_index
from benchmarks.effort import Effort
from benchmarks.engines import CONTENDERS
from benchmarks.exhaustive import ExhaustiveScores
from benchmarks.first_answer import first_answer_seconds
from benchmarks.interleaved_rounds import Runner, batch_rates, latencies, percentiles
from benchmarks.machine import describe_machine
from benchmarks.recall import judged, tuned_settings
from benchmarks.stored_collection import StoredCollection, count_queries, load_queries
from benchmarks.worker import Worker, WorkerError

_ANCHOR = "sabana"
_TUNING_LIMIT_S = 60.0
# Compilation is no part of any figure, but it must end.
_PREPARE_LIMIT_S = 900.0
Tell = Callable[[str], None]


def compare(
    collection: StoredCollection,
    query_sets: Sequence[str],
    engines: Sequence[str],
    effort: Effort,
    cache: Path,
    tell: Tell = lambda message: None,
    rebuild: Sequence[str] = OURS,
    allowed: Mapping[str, Sequence[str]] | None = None,
) -> list[dict[str, Any]]:
    """Measure engines on a collection.

    Args:
        collection: the documents.
        query_sets: names of its sets of queries.
        engines: names of contenders.
        effort: how much, how long.
        cache: where indexes are kept.
        tell: is told what happens, a line at a time.
        rebuild: engines whose index is built even where the cache has one.
        allowed: set of queries -> engines that answer it; None for all.

    Returns:
        A record for each engine, see `results.py`.
    """
    run = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    head = {
        "run": run,
        "collection": asdict(collection)
        | {"folder": collection.folder.name, "csr_bytes": collection.rows().bytes},
        "effort": asdict(effort),
        "machine": describe_machine("numpy", "numba", "lmdb", "scipy"),
        "queries": {name: _query_figures(collection, name, effort) for name in query_sets},
    }
    records: dict[str, dict[str, Any]] = {}
    indexes: dict[str, Path] = {}
    for engine in engines:
        records[engine] = {"engine": engine, **head}
        reason = CONTENDERS[engine].missing()
        if reason is None:
            tell(f"{collection.name}: building {engine}")
            try:
                indexes[engine], built = built_index(
                    cache, collection, engine, effort, engine in rebuild and engine not in OURS[1:]
                )
                records[engine]["version"] = CONTENDERS[engine].version()
                records[engine]["build"] = built
            except WorkerError as error:
                reason = str(error)
        if reason is not None:
            records[engine]["skipped"] = reason
    oracles = _Oracles(collection, effort)
    for group in _groups(records, effort.memory_limit_gb):
        _measure_group(
            group, records, indexes, _asked(query_sets, group, allowed), oracles, effort, tell
        )
    for engine in indexes:
        if effort.first_answers and query_sets and "skipped" not in records[engine]:
            tell(f"{collection.name}: first answers of {engine}")
            queries = collection.query_file(query_sets[0])
            records[engine]["first_answer_s"] = first_answer_seconds(
                engine, indexes[engine], queries, effort
            )
    return list(records.values())


def _asked(
    query_sets: Sequence[str], group: Sequence[str], allowed: Mapping[str, Sequence[str]] | None
) -> dict[str, list[str]]:
    """Set of queries -> engines of a group that answer it."""
    return {
        name: [engine for engine in group if allowed is None or engine in allowed[name]]
        for name in query_sets
    }


class _Oracles:
    """True scores, computed once a set of queries."""

    def __init__(self, collection: StoredCollection, effort: Effort) -> None:
        self.collection = collection
        self._effort = effort
        self._known: dict[tuple[str, int, int], ExhaustiveScores] = {}

    def of(self, query_set: str, first: int, last: int) -> ExhaustiveScores:
        """Oracle of queries `first` to `last` of a set."""
        key = (query_set, first, last)
        if key not in self._known:
            queries = load_queries(self.collection.query_file(query_set), first, last)
            self._known[key] = ExhaustiveScores(
                self.collection.rows(), self.collection.vocabulary_size, queries, self._effort.k
            )
        return self._known[key]


def _groups(records: dict[str, dict[str, Any]], limit_gb: float) -> list[list[str]]:
    """Engines that fit into memory together; the anchor is in every group."""
    sizes = {
        engine: record["build"]["disk_bytes"]
        for engine, record in records.items()
        if "build" in record
    }
    anchors = [_ANCHOR] if _ANCHOR in sizes else []
    room = limit_gb * 1e9 - sum(sizes[engine] for engine in anchors)
    groups: list[list[str]] = [[*anchors]]
    used = 0.0
    for engine in (engine for engine in sizes if engine not in anchors):
        if used and used + sizes[engine] > room:
            groups.append([*anchors])
            used = 0.0
        groups[-1].append(engine)
        used += sizes[engine]
    return [group for group in groups if group]


def _measure_group(
    group: Sequence[str],
    records: dict[str, dict[str, Any]],
    indexes: dict[str, Path],
    query_sets: Mapping[str, Sequence[str]],
    oracles: _Oracles,
    effort: Effort,
    tell: Tell,
) -> None:
    """Measure some engines with interleaved rounds; an engine that fails is left out from there."""
    name = oracles.collection.name
    with contextlib.ExitStack() as stack:
        runners: list[Runner] = []
        for engine in group:
            worker = stack.enter_context(Worker(engine))
            runner = Runner(engine, worker, records[engine])
            try:
                worker.call("prepare", _PREPARE_LIMIT_S)
                tell(f"{name}: loading {engine}")
                loaded = worker.call(
                    "load", effort.build_limit_s, folder=str(indexes[engine].resolve())
                )
            except WorkerError as error:
                records[engine]["skipped"] = str(error)
                continue
            runner.memory_before = loaded.pop("before")
            runner.figures.setdefault("load", loaded)
            runner.figures.setdefault("results", {})
            runners.append(runner)
        for query_set, answering in query_sets.items():
            asked = []
            for runner in [runner for runner in runners if runner.engine in answering]:
                try:
                    _choose_variants(runner, query_set, oracles, effort, tell)
                    _judge_answers(runner, query_set, oracles, effort)
                    asked.append(runner)
                except WorkerError as error:
                    runner.figures["skipped"] = str(error)
                    runners.remove(runner)
            tell(f"{name} {query_set}: {effort.rounds} rounds of " + ", ".join(answering))
            for failed in _measure_rounds(asked, query_set, effort):
                runners.remove(failed)


def _choose_variants(
    runner: Runner, query_set: str, oracles: _Oracles, effort: Effort, tell: Tell
) -> None:
    """Find the settings of an approximate engine on tuning queries; an exact one has just one."""
    kind = CONTENDERS[runner.engine]
    runner.variants = {}
    if kind.needs_static_weights and not query_set.startswith(("q", "home")):
        return
    if not kind.recall_targets:
        runner.variants = {runner.engine: {}}
        return
    tell(f"{oracles.collection.name} {query_set}: settings of {runner.engine}")
    file = oracles.collection.query_file(query_set)
    last = count_queries(file)
    first = max(0, last - effort.tuning_queries)
    oracle = oracles.of(query_set, first, last)
    queries = str(file.resolve())
    runner.worker.call("ask", queries=queries, first=first, last=last)
    chosen, missed = tuned_settings(
        runner.worker, oracle, kind.recall_targets, last - first, effort.k, _TUNING_LIMIT_S
    )
    if missed is not None:
        runner.figures.setdefault("notes", []).append(f"{query_set}: {missed}")
    runner.variants = {f"{runner.engine} {recall:g}": one for recall, one in chosen.items()}


def _judge_answers(runner: Runner, query_set: str, oracles: _Oracles, effort: Effort) -> None:
    """Give a runner the queries that are measured, and judge its answers to some."""
    if not runner.variants:
        return
    queries = str(oracles.collection.query_file(query_set).resolve())
    checked = min(effort.checked_queries, effort.queries)
    runner.worker.call("ask", queries=queries, first=0, last=effort.queries)
    results = runner.figures["results"].setdefault(query_set, {})
    for label, setting in runner.variants.items():
        # The anchor, in a later group, is measured again only for the ratios of that group.
        if label not in results:
            answers = runner.worker.call("answers", setting=setting, count=checked, k=effort.k)
            oracle = oracles.of(query_set, 0, checked)
            results[label] = {"setting": setting, **judged(oracle, answers)}


def _measure_rounds(runners: Sequence[Runner], query_set: str, effort: Effort) -> list[Runner]:
    """Measure the latency and the throughput of all, side by side; returns those that failed.

    The others are then measured without them.
    """
    turns = [(runner, label) for runner in runners for label in runner.variants]
    try:
        rounds = latencies(turns, effort)
        batches = batch_rates(turns, effort)
    except WorkerError as error:
        failed = next(runner for runner in runners if runner.engine == error.engine)
        failed.figures["skipped"] = str(error)
        others = [runner for runner in runners if runner is not failed]
        return [failed, *_measure_rounds(others, query_set, effort)]
    measured = {
        label: {
            **percentiles(rounds[label].microseconds),
            "preempted": rounds[label].preempted,
            "batch_qps": batches[label],
        }
        for _, label in turns
    }
    beside = {
        label: {name: figures[name] for name in ("p50_us", "p99_us", "batch_qps")}
        for label, figures in measured.items()
    }
    for runner, label in turns:
        figures = runner.figures["results"][query_set][label]
        if "p50_us" not in figures:
            figures |= measured[label] | {"beside": beside}
        # After its queries: what is mapped counts once it is read.
        memory, before = runner.worker.call("memory"), runner.memory_before
        runner.figures["load"]["added"] = {part: memory[part] - before[part] for part in memory}
    return []


def _query_figures(
    collection: StoredCollection, query_set: str, effort: Effort
) -> dict[str, float]:
    """Length of the queries."""
    queries = load_queries(collection.query_file(query_set), 0, effort.queries)
    return {"count": len(queries), "terms": float(np.mean([len(terms) for terms, _ in queries]))}
