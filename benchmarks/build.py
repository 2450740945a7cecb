"""From a CSR matrix in memory to a committed index: `python -m benchmarks.build --help`."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.collections import CollectionShape, CsrRows, SyntheticCollection
from benchmarks.command_line import run
from benchmarks.machine import describe_machine, machine_line

_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class BuildSetting:
    """What to measure."""

    documents: int = 100_000
    active_dimensions: int = 150
    threads: int = os.cpu_count() or 1
    rounds: int = 3
    seed: int = 0


def measure(setting: BuildSetting) -> dict[str, Any]:
    """Build indexes of one collection, each in a fresh process; thread counts alternate.

    Returns:
        What `--json` prints: `setting`, `machine`, and `builds`, a list with one entry for each
        number of threads: medians over rounds, and `rounds` as they were.

    Raises:
        RuntimeError: a process failed.
    """
    shape = CollectionShape(setting.active_dimensions, seed=setting.seed)
    counts = sorted({1, setting.threads})
    rounds: dict[int, list[dict[str, Any]]] = {threads: [] for threads in counts}
    with tempfile.TemporaryDirectory(prefix="build-benchmark-") as name:
        folder = Path(name)
        write_rows(SyntheticCollection(shape).chunks(setting.documents), folder)
        for number in range(setting.rounds):
            for threads in counts[:: -1 if number % 2 else 1]:
                path = folder / "built.index"
                rounds[threads].append(_build(folder, path, shape.vocabulary_size, threads))
                shutil.rmtree(path)
    return {
        "setting": asdict(setting),
        "machine": describe_machine("numpy", "scipy", "numba", "lmdb"),
        "builds": [_summary(threads, setting.documents, rounds[threads]) for threads in counts],
    }


def write_rows(chunks: Iterable[CsrRows], folder: Path) -> None:
    """Write the three arrays of a CSR matrix as plain files, chunk by chunk."""
    total = 0
    with (
        (folder / "indptr").open("wb") as indptr,
        (folder / "indices").open("wb") as indices,
        (folder / "data").open("wb") as data,
    ):
        np.zeros(1, np.int64).tofile(indptr)
        for chunk in chunks:
            (chunk.indptr[1:] + total).tofile(indptr)
            chunk.indices.tofile(indices)
            chunk.data.tofile(data)
            total += len(chunk.indices)


def _build(folder: Path, path: Path, vocabulary_size: int, threads: int) -> dict[str, Any]:
    arguments = (folder, path, vocabulary_size, threads)
    process = subprocess.run(
        [sys.executable, "-m", "benchmarks.build_process", *map(str, arguments)],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode:
        raise RuntimeError(process.stderr.strip().rpartition("\n")[2] or "a build failed")
    figures: dict[str, Any] = json.loads(process.stdout)
    return figures


def _summary(threads: int, documents: int, rounds: list[dict[str, Any]]) -> dict[str, Any]:
    def middle(name: str) -> float:
        return float(median(one[name] for one in rounds))

    def stages(name: str) -> dict[str, float]:
        return {stage: median(one[name][stage] for one in rounds) for stage in rounds[0][name]}

    return {
        "threads": threads,
        "seconds": middle("seconds"),
        "processor_s": middle("processor_s"),
        "documents_a_second": documents / middle("seconds"),
        "postings": rounds[0]["postings"],
        "csr_bytes": rounds[0]["csr_bytes"],
        "before_bytes": middle("before_bytes"),
        "peak_bytes": max(one["peak_bytes"] for one in rounds),
        "peak_ratio": max(one["peak_bytes"] / one["csr_bytes"] for one in rounds),
        "file_bytes": middle("file_bytes"),
        "main_thread_s": stages("main_thread_s"),
        "second_thread_s": stages("second_thread_s"),
        "rounds": rounds,
    }


def show(report: dict[str, Any], console: Console) -> None:
    """Print a report as tables for people."""
    setting, builds = report["setting"], report["builds"]
    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"{setting['documents']:,} documents x {setting['active_dimensions']} active "
        "dimensions, from a matrix in memory to a committed index",
        caption=f"medians over {setting['rounds']} rounds, each in a fresh process",
    )
    for heading in ("threads", "seconds", "CPU s", "docs/s", "MB before", "peak", "x CSR", "disk"):
        table.add_column(heading, justify="right", no_wrap=True)
    for build in builds:
        table.add_row(
            f"{build['threads']}",
            f"{build['seconds']:,.2f}",
            f"{build['processor_s']:,.2f}",
            f"{build['documents_a_second']:,.0f}",
            f"{build['before_bytes'] / 1e6:,.0f}",
            f"{build['peak_bytes'] / 1e6:,.0f}",
            f"{build['peak_ratio']:.2f}",
            f"{build['file_bytes'] / 1e6:,.1f}",
        )
    console.print(table)
    where = Table(box=box.SIMPLE_HEAD, title="where the time goes, in seconds")
    where.add_column("stage", no_wrap=True)
    columns = []
    for build in builds:
        columns.append(build["main_thread_s"])
        where.add_column(f"{build['threads']} threads, main", justify="right")
        if build["second_thread_s"]:
            columns.append(build["second_thread_s"])
            where.add_column("second", justify="right")
    for stage in dict.fromkeys(stage for column in columns for stage in column):
        cells = [f"{column[stage]:,.2f}" if stage in column else "" for column in columns]
        where.add_row(stage, *cells)
    console.print(where)
    console.print(machine_line(report["machine"]), highlight=False)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.build",
        description="Seconds, peak memory and bytes on disk of building an index from vectors.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    default = BuildSetting()
    for option, field, meaning in (
        ("--documents", "documents", "documents of the collection"),
        ("--active-dims", "active_dimensions", "active dimensions a document, on average"),
        ("--threads", "threads", "threads to build with, beside one alone"),
        ("--rounds", "rounds", "builds with each number of threads"),
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
    try:
        report = measure(BuildSetting(**options))
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if as_json:
        json.dump(report, sys.stdout, indent=2)
        print()
    else:
        show(report, Console())
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
