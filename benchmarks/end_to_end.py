"""Text in, documents out, and where the time goes: `python -m benchmarks.end_to_end --help`."""

from __future__ import annotations

import argparse
import gc
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from scipy.sparse import csr_matrix

from benchmarks.command_line import run
from benchmarks.machine import describe_machine
from benchmarks.real_collection import missing_data, read_documents, read_queries, real_collection
from benchmarks.stored_collection import StoredCollection

# Name in the report -> name in `StageTimes`. Decoding is no part of a search.
_STAGES = {
    "tokenize": "tokenize",
    "look up": "look_up",
    "score": "score",
    "fetch": "fetch",
    "decode": "decode",
    "rest": "rest",
}


def measure(documents: int, queries: int, rounds: int, cache: Path) -> dict[str, Any]:
    """Search real documents by text, through the public API and a stage at a time.

    Args:
        documents: at most so many of the real ones.
        queries: how many of Home Depot's queries a round has.
        rounds: rounds that are measured; one beforehand is not.
        cache: where encoded collections and indexes are kept.

    Returns:
        What `--json` prints; microseconds. `stages_us` are medians over queries of what
        `engine.stage_times` tells: `tokenize`, `look up` (of weights), `score` (accumulate and
        select: one call of compiled code), `fetch` (ids and documents of the hits), `rest` (checks
        and locks).
    """
    from engine.search_engine import SearchEngine
    from engine.stage_times import time_stages

    collection = real_collection(documents, cache / "collections")
    index = _index_of_texts(collection, documents, cache)
    texts = read_queries()["home-depot"][:queries]
    whole: list[list[float]] = []
    stages: list[dict[str, float]] = []
    with SearchEngine.open(index) as engine:
        for number in range(-1, rounds):
            gc.collect()
            gc.disable()
            searched = [_microseconds(engine.search, text) for text in texts]
            taken = [time_stages(engine, text)[1] for text in texts]
            gc.enable()
            if number >= 0:
                whole.append(searched)
                stages.append(
                    {
                        label: float(np.median([getattr(times, name) for times in taken])) / 1e3
                        for label, name in _STAGES.items()
                    }
                )
    p50, p95, p99 = np.median(np.percentile(whole, (50, 95, 99), axis=1), axis=1).tolist()
    own = float(np.median([stage["score"] for stage in stages]))
    return {
        "documents": collection.documents,
        "queries": len(texts),
        "rounds": rounds,
        "machine": describe_machine("numpy", "numba", "lmdb", "tokenizers"),
        "p50_us": p50,
        "p95_us": p95,
        "p99_us": p99,
        "kernel_p50_us": own,
        "ratio_to_kernel": p50 / own,
        "stages_us": {
            name: float(np.median([stage[name] for stage in stages])) for name in _STAGES
        },
    }


def _microseconds(search: Any, text: str) -> float:
    begun = time.perf_counter_ns()
    for hit in search(text):
        _ = hit.document
    return (time.perf_counter_ns() - begun) / 1e3


def _index_of_texts(collection: StoredCollection, documents: int, cache: Path) -> Path:
    """An index of the collection with its documents, built anew."""
    from indexer.index_writer import IndexWriter
    from indexer.model import SparseModel

    folder = cache / "indexes" / f"{collection.folder.name}-with-documents"
    shutil.rmtree(folder, ignore_errors=True)
    rows = collection.rows()
    shape = (rows.documents, collection.vocabulary_size)
    vectors = csr_matrix((rows.data, rows.indices, rows.indptr), shape=shape, copy=False)
    found = read_documents(documents)
    with IndexWriter(folder, model=SparseModel.load()) as writer:
        writer.upsert([document["id"] for document in found], vectors, found)
    return folder


def measure_and_save(documents: int, cache: Path, file: Path, command: str) -> None:
    """Measure as the command does by default, and save it with the command that asked."""
    report = {"command": command, **measure(documents, 500, 5, cache)}
    file.write_text(json.dumps(report, indent=1))


def show(report: dict[str, Any], console: Console) -> None:
    """Print a report as a table for people."""
    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"{report['documents']:,} real documents, {report['queries']:,} queries of shoppers",
        caption=f"one thread, top 10; medians over {report['rounds']} rounds",
    )
    table.add_column("stage", no_wrap=True)
    table.add_column("p50 µs", justify="right")
    table.add_column("share", justify="right")
    total = sum(report["stages_us"].values()) or 1.0
    for name, value in report["stages_us"].items():
        table.add_row(name, f"{value:,.1f}", f"{value / total:.0%}")
    console.print(table)
    console.print(
        f"text to documents: p50 {report['p50_us']:,.0f} µs, p95 {report['p95_us']:,.0f}, "
        f"p99 {report['p99_us']:,.0f}; scoring alone: p50 {report['kernel_p50_us']:,.0f}; "
        f"ratio [bold]{report['ratio_to_kernel']:.2f}[/bold]",
        highlight=False,
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.end_to_end",
        description="Latency from text to documents on real titles, and where it goes.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--documents", type=int, default=1_000_000, metavar="N", help="at most")
    parser.add_argument("--queries", type=int, default=500, metavar="N", help="queries of a round")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="measured rounds")
    parser.add_argument(
        "--cache", type=Path, default=Path("benchmark-cache"), metavar="DIR", help="kept there"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="save as JSON for the report")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    for name in ("documents", "queries", "rounds"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be positive, not {getattr(options, name)}")
    if reason := missing_data():
        print(f"error: {reason}", file=sys.stderr)
        return 1
    report = measure(options.documents, options.queries, options.rounds, options.cache)
    counts = [f"--{name}={getattr(options, name)}" for name in ("documents", "queries", "rounds")]
    report["command"] = " ".join(["python -m benchmarks.end_to_end", *counts])
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(report, indent=1))
    if options.json:
        json.dump(report, sys.stdout, indent=2)
        print()
    else:
        show(report, Console())
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
