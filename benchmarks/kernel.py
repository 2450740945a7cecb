"""Latency of single queries, engines side by side: `python -m benchmarks.kernel --help`."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.collections import (
    CollectionShape,
    CsrRows,
    Query,
    SyntheticCollection,
    open_rows,
)
from benchmarks.engines import CONTENDERS
from benchmarks.exhaustive import ExhaustiveScores
from benchmarks.machine import describe_machine
from benchmarks.worker import Worker

_PERCENTILES = (50, 95, 99)
_OURS = "sabana"


@dataclass(frozen=True, slots=True)
class KernelSetting:
    """What to measure."""

    documents: int = 100_000
    active_dimensions: int = 150
    query_terms: int = 6
    queries: int = 1_000
    rounds: int = 5
    k: int = 10
    checked_queries: int = 100
    seed: int = 0


def measure(setting: KernelSetting) -> dict[str, Any]:
    """Build and measure every engine that is installed; the rounds of all are interleaved.

    Returns:
        What `--json` prints: `setting`, `machine`, `collection`, `engines` (a list of measurements,
        times in microseconds unless the name says seconds), `skipped` and `ratios` (p50 of this
        engine divided by that of each other).
    """
    shape = CollectionShape(setting.active_dimensions, seed=setting.seed)
    reasons = {name: kind.missing() for name, kind in CONTENDERS.items()}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kernel-benchmark-")))
        source = SyntheticCollection(shape)
        source.documents(setting.documents).save(folder)
        rows = open_rows(folder)
        queries = source.queries(setting.queries, setting.query_terms)
        _save_queries(queries, folder / "queries.npz")
        checked = queries[: setting.checked_queries]
        oracle = ExhaustiveScores(rows, shape.vocabulary_size, checked, setting.k)

        workers: dict[str, Worker] = {}
        measured: dict[str, dict[str, Any]] = {}
        for name in (name for name, reason in reasons.items() if reason is None):
            worker = workers[name] = stack.enter_context(Worker(name))
            index = folder / f"{name}.index"
            index.mkdir()
            figures = measured[name] = {"name": name, **worker.call("prepare")}
            figures |= worker.call(
                "build",
                collection=str(folder),
                vocabulary_size=shape.vocabulary_size,
                folder=str(index),
            )
            figures |= worker.call("load", folder=str(index), queries=str(folder / "queries.npz"))
            figures |= _judge(oracle, worker.call("answers", count=len(checked), k=setting.k))
        rounds = _interleave(workers, setting)
        for name, figures in measured.items():
            figures |= _percentiles(rounds[name])
        ratios = {
            name: measured[_OURS]["p50_us"] / figures["p50_us"]
            for name, figures in measured.items()
            if name != _OURS
        }
        return {
            "setting": {name: getattr(setting, name) for name in setting.__slots__},
            "machine": describe_machine("numpy", "numba", "lmdb"),
            "collection": _collection_figures(rows, shape.vocabulary_size, queries),
            "engines": list(measured.values()),
            "skipped": [
                {"name": name, "reason": reason} for name, reason in reasons.items() if reason
            ],
            "ratios": ratios,
        }


def _interleave(workers: dict[str, Worker], setting: KernelSetting) -> dict[str, list[list[float]]]:
    """Latencies by engine and round; a first round, not counted, warms caches."""
    names = list(workers)
    rounds: dict[str, list[list[float]]] = {name: [] for name in names}
    for number in range(-1, setting.rounds):
        # Turns change hands, so that none always follows the same engine.
        for name in names if number % 2 else reversed(names):
            elapsed = workers[name].call("round", k=setting.k)
            if number >= 0:
                rounds[name].append(elapsed)
    return rounds


def _percentiles(rounds: list[list[float]]) -> dict[str, Any]:
    table = np.percentile(np.array(rounds), _PERCENTILES, axis=1)
    figures: dict[str, Any] = {
        f"p{percentile}_us": float(np.median(row))
        for percentile, row in zip(_PERCENTILES, table, strict=True)
    }
    return figures | {"p50_us_by_round": table[0].tolist()}


def _judge(oracle: ExhaustiveScores, answers: list[dict[str, Any]]) -> dict[str, float]:
    judged = [
        oracle.judge(
            query,
            np.array(answer["documents"], np.int64),
            np.array(answer["scores"], np.float64),
            answer["score_error"],
        )
        for query, answer in enumerate(answers)
    ]
    recalls, errors = np.array(judged).reshape(-1, 2).T
    return {"recall": float(recalls.mean()), "max_score_error": float(errors.max())}


def _collection_figures(
    rows: CsrRows, vocabulary_size: int, queries: list[Query]
) -> dict[str, float]:
    counts = np.bincount(rows.indices, minlength=vocabulary_size)
    return {
        "postings": len(rows.indices),
        "active_dimensions": len(rows.indices) / rows.documents,
        "largest_document_frequency": float(counts.max()) / rows.documents,
        "terms_in_a_tenth_of_documents": int(np.count_nonzero(counts > rows.documents / 10)),
        "terms_per_query": float(np.mean([len(terms) for terms, _ in queries])),
        "postings_per_query": float(np.mean([counts[terms].sum() for terms, _ in queries])),
    }


def _save_queries(queries: list[Query], path: Path) -> None:
    np.savez(
        path,
        bounds=np.cumsum([0, *(len(terms) for terms, _ in queries)]),
        terms=np.concatenate([terms for terms, _ in queries]),
        weights=np.concatenate([weights for _, weights in queries]),
    )


def show(report: dict[str, Any], console: Console) -> None:
    """Print a report as a table for people."""
    setting, collection, machine = report["setting"], report["collection"], report["machine"]
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
        title=(
            f"{setting['documents']:,} documents x {collection['active_dimensions']:.0f} active "
            f"dimensions, {setting['queries']:,} queries of {collection['terms_per_query']:.1f} "
            f"terms, top {setting['k']}"
        ),
        caption="one thread; medians over "
        f"{setting['rounds']} interleaved rounds; recall against exhaustive float64",
    )
    table.add_column("engine", no_wrap=True)
    for heading in ("p50 µs", "p95 µs", "p99 µs", "× ours", "recall", "MB", "build s"):
        table.add_column(heading, justify="right", no_wrap=True)
    for figures in report["engines"]:
        ratio = report["ratios"].get(figures["name"])
        table.add_row(
            figures["name"],
            *(f"{figures[f'p{percentile}_us']:,.0f}" for percentile in _PERCENTILES),
            "1" if ratio is None else f"{1 / ratio:.2f}",
            f"{figures['recall']:.4f}",
            f"{figures['disk_bytes'] / 1e6:,.1f}",
            f"{figures['build_s']:.1f}",
        )
    console.print(table)
    for name, ratio in report["ratios"].items():
        console.print(f"p50 of sabana / p50 of {name}: [bold]{ratio:.3f}[/bold]", highlight=False)
    for skipped in report["skipped"]:
        console.print(f"skipped {skipped['name']}: {skipped['reason']}", highlight=False)
    versions = machine["versions"] | {
        figures["name"]: figures["version"] for figures in report["engines"]
    }
    console.print(
        f"collection: {collection['postings']:,} postings, "
        f"{collection['postings_per_query']:,.0f} a query; "
        f"{collection['terms_in_a_tenth_of_documents']} terms in more than a tenth of the "
        f"documents, the most frequent in {collection['largest_document_frequency']:.0%}\n"
        f"machine: {machine['cpu']}, {machine['cores']} cores, load {machine['load_average']}; "
        f"{machine['date']}; "
        + ", ".join(f"{name} {version}" for name, version in versions.items()),
        highlight=False,
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.kernel",
        description="Latency of single queries on a synthetic collection, engines side by side.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    default = KernelSetting()
    for option, field, meaning in (
        ("--documents", "documents", "documents of the collection"),
        ("--active-dims", "active_dimensions", "active dimensions a document, on average"),
        ("--query-terms", "query_terms", "terms a query, on average"),
        ("--queries", "queries", "queries of a round"),
        ("--rounds", "rounds", "measured rounds of each engine"),
        ("--k", "k", "hits a query"),
        ("--checked-queries", "checked_queries", "queries judged against exhaustive scoring"),
        ("--seed", "seed", "seed of the collection"),
    ):
        parser.add_argument(
            option, dest=field, type=int, default=getattr(default, field), metavar="N", help=meaning
        )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = vars(parser.parse_args(arguments))
    as_json = options.pop("json")
    for field, value in options.items():
        if value < (0 if field == "seed" else 1):
            parser.error(f"--{field.replace('_', '-')} must be positive, not {value}")
    report = measure(KernelSetting(**options))
    if as_json:
        json.dump(report, sys.stdout, indent=2)
        print()
    else:
        show(report, Console())
    return 0


if __name__ == "__main__":
    sys.exit(main())
