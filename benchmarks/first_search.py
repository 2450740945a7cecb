"""From process start to first answer: `python -m benchmarks.first_search --help`."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.command_line import run
from benchmarks.machine import describe_machine, machine_line

_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class ProcessTimes:
    """One process; all in seconds.

    Attributes:
        first_answer: from starting the process to holding its first answer, seen from outside.
        interpreter: what of this the steps below don't account for: Python itself.
        load_engine: `import engine`.
        open: `SearchEngine.open`.
        first_query: the first search, with the loading of compiled kernels.
        second_query: the same search again; not part of `first_answer`.
    """

    first_answer: float
    interpreter: float
    load_engine: float
    open: float
    first_query: float
    second_query: float


def measure(index: Path, query: str, processes: int) -> tuple[list[ProcessTimes], int]:
    """Start processes one after another; caches are left as they are.

    Returns:
        Times of each process in order, and the number of hits.

    Raises:
        RuntimeError: a process failed.
    """
    command = [sys.executable, "-m", "benchmarks.first_search_process", str(index.resolve()), query]
    results: list[ProcessTimes] = []
    hits = 0
    for _ in range(processes):
        begun = time.perf_counter()
        with subprocess.Popen(
            command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None and process.stderr is not None
            answer = process.stdout.readline()
            first_answer = time.perf_counter() - begun
            steps = process.stdout.readline()
            complaint = process.stderr.read().strip()
        if process.returncode or not steps:
            # The last line of a traceback, without the name of the exception.
            message = complaint.rpartition("\n")[2].partition(": ")[2]
            raise RuntimeError(message or "the searching process failed")
        hits = int(answer)
        load_engine, opening, first_query, second_query = map(float, steps.split())
        results.append(
            ProcessTimes(
                first_answer=first_answer,
                interpreter=first_answer - load_engine - opening - first_query,
                load_engine=load_engine,
                open=opening,
                first_query=first_query,
                second_query=second_query,
            )
        )
    return results, hits


def report_of(index: Path, query: str, processes: int) -> dict[str, Any]:
    """What `--json` prints: the first process, and the medians over those after it."""
    results, hits = measure(index, query, processes)
    first, rest = results[0], results[1:] or results
    return {
        "index": str(index),
        "query": query,
        "hits": hits,
        "processes": processes,
        "machine": describe_machine("numpy", "numba", "lmdb", "tokenizers"),
        "first_process_s": asdict(first),
        "median_s": {
            step: median(getattr(times, step) for times in rest) for step in ProcessTimes.__slots__
        },
        "slowest_first_answer_s": max(times.first_answer for times in rest),
    }


def show(report: dict[str, Any], console: Console) -> None:
    """Print a report as a table for people."""
    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"a fresh process searches {report['index']} for {report['query']!r}",
        caption=f"{report['hits']} hits",
    )
    table.add_column("milliseconds", no_wrap=True)
    table.add_column("first process", justify="right")
    table.add_column(f"median of the next {report['processes'] - 1}", justify="right")
    for step, label in (
        ("interpreter", "start of Python"),
        ("load_engine", "import engine"),
        ("open", "open the index"),
        ("first_query", "first query"),
        ("first_answer", "start to first answer"),
        ("second_query", "second query"),
    ):
        table.add_row(
            label,
            f"{report['first_process_s'][step] * 1e3:,.1f}",
            f"{report['median_s'][step] * 1e3:,.1f}",
            style="bold" if step == "first_answer" else None,
            end_section=step in ("first_query", "first_answer"),
        )
    console.print(table)
    console.print(
        f"slowest of them: {report['slowest_first_answer_s'] * 1e3:,.1f} ms to the first answer\n"
        f"{machine_line(report['machine'])}",
        highlight=False,
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.first_search",
        description="Wall time of fresh processes from their start to their first answer.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--index", type=Path, required=True, metavar="DIR", help="an index")
    parser.add_argument("--query", required=True, metavar="TEXT", help="what to search for")
    parser.add_argument("--processes", type=int, default=11, metavar="N", help="how many, above 1")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    if options.processes < 2:
        parser.error(f"--processes must be at least 2, not {options.processes}")
    try:
        report = report_of(options.index, options.query, options.processes)
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.json:
        json.dump(report, sys.stdout, indent=2, ensure_ascii=False)
        print()
    else:
        show(report, Console())
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
