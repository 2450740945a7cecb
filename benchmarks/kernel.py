"""Latency and throughput on one synthetic collection: `python -m benchmarks.kernel --help`."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.collections import CHUNK_DOCUMENTS, CollectionShape
from benchmarks.command_line import run
from benchmarks.effort import Effort
from benchmarks.engines import CONTENDERS
from benchmarks.interleaved_rounds import PERCENTILES
from benchmarks.machine import machine_line
from benchmarks.side_by_side import compare
from benchmarks.stored_collection import (
    QUERIES,
    StoredCollection,
    load_queries,
    synthetic_collection,
)

_OURS = "sabana"


@dataclass(frozen=True, slots=True)
class KernelSetting:
    """What to measure, besides what `Effort` says."""

    documents: int = 100_000
    active_dimensions: int = 150
    query_terms: int = 6
    seed: int = 0


def measure(
    setting: KernelSetting,
    effort: Effort,
    engines: list[str],
    cache: Path | None = None,
    reuse: bool = False,
    console: Console | None = None,
) -> dict[str, Any]:
    """Build and measure every engine that is installed; the rounds of all are interleaved.

    Args:
        setting: the collection and its queries.
        effort: how much and how long.
        engines: names of contenders.
        cache: where collections and the indexes of others are kept, or None for nowhere.
        reuse: take the index of this engine, too, from the cache.
        console: is told what goes on.

    Returns:
        What `--json` prints: `setting`, `effort`, `machine`, `collection`, `engines` (a list of
        measurements, times in microseconds unless the name says seconds), `skipped` and `ratios`
        (p50 of this engine divided by that of each other).
    """
    query_set = f"q{setting.query_terms}"
    with contextlib.ExitStack() as stack:
        if cache is None:
            folder = tempfile.TemporaryDirectory(prefix="kernel-benchmark-")
            cache = Path(stack.enter_context(folder))
        collection = synthetic_collection(
            setting.documents,
            CollectionShape(setting.active_dimensions, seed=setting.seed),
            [setting.query_terms],
            cache / "collections",
        )
        records = compare(
            collection,
            [query_set],
            engines,
            effort,
            cache,
            (lambda message: console.print(message, style="dim")) if console else lambda _: None,
            rebuild=() if reuse else (_OURS,),
        )
        about = _collection_figures(collection, query_set, effort.queries)
    measured = [
        {
            "name": label,
            "version": record["version"],
            **record["build"],
            "load_s": record["load"]["load_s"],
            "memory_added": record["load"]["added"],
            "first_answer_s": (record.get("first_answer_s") or {}).get("median"),
            **{name: value for name, value in figures.items() if name != "beside"},
        }
        for record in records
        if "skipped" not in record
        for label, figures in record["results"].get(query_set, {}).items()
    ]
    ours = next((one["p50_us"] for one in measured if one["name"] == _OURS), None)
    return {
        "setting": asdict(setting),
        "effort": asdict(effort),
        "machine": records[0]["machine"],
        "collection": about,
        "engines": measured,
        "skipped": [
            {"name": record["engine"], "reason": record["skipped"]}
            for record in records
            if "skipped" in record
        ],
        "ratios": {
            one["name"]: ours / one["p50_us"]
            for one in measured
            if ours is not None and one["name"] != _OURS
        },
    }


def _collection_figures(
    collection: StoredCollection, query_set: str, count: int
) -> dict[str, float]:
    rows = collection.rows()
    queries = load_queries(collection.query_file(query_set), 0, count)
    counts = np.zeros(collection.vocabulary_size, np.int64)
    for first in range(0, rows.documents, CHUNK_DOCUMENTS):
        chunk = rows.rows(first, min(first + CHUNK_DOCUMENTS, rows.documents))
        counts += np.bincount(chunk.indices, minlength=len(counts))
    return {
        "postings": len(rows.indices),
        "active_dimensions": len(rows.indices) / rows.documents,
        "largest_document_frequency": float(counts.max()) / rows.documents,
        "terms_in_a_tenth_of_documents": int(np.count_nonzero(counts > rows.documents / 10)),
        "terms_per_query": float(np.mean([len(terms) for terms, _ in queries])),
        "postings_per_query": float(np.mean([counts[terms].sum() for terms, _ in queries])),
    }


def show(report: dict[str, Any], console: Console) -> None:
    """Print a report as a table for people."""
    setting, collection, machine = report["setting"], report["collection"], report["machine"]
    effort = report["effort"]
    console.print(
        f"{setting['documents']:,} documents x {collection['active_dimensions']:.0f} active "
        f"dimensions, {effort['queries']:,} queries of {collection['terms_per_query']:.1f} "
        f"terms, top {effort['k']}",
        highlight=False,
        style="bold",
    )
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        caption="one thread; medians over "
        f"{effort['rounds']} interleaved rounds; recall against exhaustive float64",
    )
    table.add_column("engine", no_wrap=True)
    for heading in ("p50 µs", "p95 µs", "p99 µs", "× ours", "recall", "MB", "build s"):
        table.add_column(heading, justify="right", no_wrap=True)
    for figures in report["engines"]:
        ratio = report["ratios"].get(figures["name"])
        table.add_row(
            figures["name"],
            *(f"{figures[f'p{percentile}_us']:,.0f}" for percentile in PERCENTILES),
            "1" if ratio is None else f"{1 / ratio:.2f}",
            f"{figures['recall']:.4f}",
            f"{figures['disk_bytes'] / 1e6:,.1f}",
            f"{figures['build_s']:.1f}",
        )
    console.print(table)
    for name, ratio in report["ratios"].items():
        console.print(f"p50 of sabana / p50 of {name}: [bold]{ratio:.3f}[/bold]", highlight=False)
    for figures in report["engines"]:
        for threads, rate in figures["batch_qps"].items():
            line = f"batches of {figures['name']}: {rate:,.0f} queries a second"
            console.print(f"{line}, threads: {threads}", highlight=False)
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
        f"{machine_line(machine | {'versions': versions})}",
        highlight=False,
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.kernel",
        description="Latency of single queries on a synthetic collection, engines side by side.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    default, effort = KernelSetting(), Effort(batch_rounds=0, first_answers=0)
    for option, value, meaning in (
        ("--documents", default.documents, "documents of the collection"),
        ("--active-dims", default.active_dimensions, "active dimensions a document, on average"),
        ("--query-terms", default.query_terms, "terms a query, on average"),
        ("--queries", effort.queries, "queries of a round"),
        ("--rounds", effort.rounds, "measured rounds of each engine"),
        ("--k", effort.k, "hits a query"),
        ("--checked-queries", effort.checked_queries, "queries judged by exhaustive scoring"),
        ("--batch-rounds", effort.batch_rounds, "measured batches of all queries; 0 for none"),
        ("--first-answers", effort.first_answers, "fresh processes to time; 0 for none"),
        ("--seed", default.seed, "seed of the collection"),
    ):
        parser.add_argument(option, type=int, default=value, metavar="N", help=meaning)
    parser.add_argument(
        "--engines",
        nargs="+",
        choices=sorted(CONTENDERS),
        default=list(CONTENDERS),
        metavar="NAME",
        help="engines to compare",
    )
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="keep collections and indexes of others there"
    )
    parser.add_argument(
        "--reuse", action="store_true", help="take the index of sabana from the cache as well"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    may_be_none = ("seed", "batch_rounds", "first_answers")
    for name, value in vars(options).items():
        if type(value) is int and value < (0 if name in may_be_none else 1):
            parser.error(f"--{name.replace('_', '-')} must be positive, not {value}")
    if options.queries > (most := QUERIES - effort.tuning_queries):
        parser.error(f"--queries must be at most {most:,}, not {options.queries:,}")
    report = measure(
        KernelSetting(options.documents, options.active_dims, options.query_terms, options.seed),
        replace(
            effort,
            queries=options.queries,
            rounds=options.rounds,
            k=options.k,
            checked_queries=options.checked_queries,
            batch_rounds=options.batch_rounds,
            first_answers=options.first_answers,
        ),
        options.engines,
        options.cache,
        options.reuse,
        Console(stderr=True) if sys.stderr.isatty() else None,
    )
    if options.json:
        json.dump(report, sys.stdout, indent=2)
        print()
    else:
        show(report, Console())
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
