"""Measure at a scale and write a report with plots: `python -m benchmarks.report --help`."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from benchmarks import end_to_end
from benchmarks.collections import CollectionShape
from benchmarks.command_line import run
from benchmarks.engines import CONTENDERS
from benchmarks.markdown import write_report
from benchmarks.plots import draw_all
from benchmarks.real_collection import missing_data, real_collection
from benchmarks.results import END_TO_END, Results, save_records
from benchmarks.scales import REAL_QUERIES, SCALES, Plan, engines_for, larger
from benchmarks.side_by_side import compare
from benchmarks.stored_collection import StoredCollection, synthetic_collection

Tell = Callable[[str], None]


def measure_plan(
    plan: Plan, engines: Sequence[str] | None, output: Path, cache: Path, command: str, tell: Tell
) -> None:
    """Measure one collection and save its records.

    Args:
        plan: what to measure.
        engines: only these, besides our own for the ratios; None for all of the plan.
        output: folder of records.
        cache: folder of collections and indexes.
        command: what the user gave, to stand beside the figures.
        tell: is told what happens.
    """
    chosen = [
        engine for engine in (plan.engines if engines is None else engines) if engine != "sabana"
    ]
    plan = replace(plan, engines=("sabana", *chosen))
    collection: StoredCollection
    if plan.active_dimensions:
        tell(f"drawing {plan.documents:,} documents of {plan.active_dimensions} dimensions")
        collection = synthetic_collection(
            plan.documents,
            CollectionShape(plan.active_dimensions),
            plan.query_terms,
            cache / "collections",
        )
        allowed = {f"q{terms}": engines_for(plan, terms) for terms in plan.query_terms}
    else:
        tell("encoding real documents")
        collection = real_collection(plan.documents, cache / "collections")
        allowed = dict.fromkeys(REAL_QUERIES, plan.engines)
    records = compare(
        collection, list(allowed), plan.engines, plan.effort, cache, tell, allowed=allowed
    )
    save_records(output, records, command)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.report",
        description="Measure engines side by side at a scale; write report.md, plots and records.",
        epilog="Records of earlier runs in the same output stay, but for what is measured again.",
    )
    parser.add_argument("--scale", choices=list(SCALES), default="small", help="how much (small)")
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="where the report goes"
    )
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="where collections and indexes are kept (OUTPUT/cache)",
    )
    parser.add_argument(
        "--documents",
        type=int,
        nargs="+",
        default=[],
        metavar="N",
        help="more synthetic collections of so many documents, such as 5000000",
    )
    parser.add_argument(
        "--engines",
        nargs="+",
        choices=sorted(CONTENDERS),
        metavar="NAME",
        help="measure only these again, with our own beside them for the ratios",
    )
    parser.add_argument(
        "--collections",
        nargs="+",
        metavar="NAME",
        help="measure only these again, such as s1m w100k real end-to-end",
    )
    parser.add_argument(
        "--no-measuring", action="store_true", help="only write the report from the records"
    )
    parser.add_argument("--quiet", action="store_true", help="do not tell what goes on")
    options = parser.parse_args(arguments)
    if any(documents < 1 for documents in options.documents):
        parser.error("--documents must be positive")
    known = [plan.name for plan in _plans(options)] + ["end-to-end"]
    if unknown := [name for name in options.collections or () if name not in known]:
        parser.error(f"no collection {unknown[0]} at scale {options.scale}: {', '.join(known)}")
    command = _command(options)
    cache: Path = options.cache or options.output / "cache"
    console = Console(stderr=True)

    def tell(message: str) -> None:
        if not options.quiet:
            console.print(message, style="dim", highlight=False)

    records = options.output / "results"
    records.mkdir(parents=True, exist_ok=True)
    if not options.no_measuring:
        _measure(options, records, cache, command, tell)
    results = Results(records)
    if not len(results):
        print("error: nothing was measured, so there is nothing to report", file=sys.stderr)
        return 1
    write_report(results, draw_all(results, options.output), options.output / "report.md")
    print(f"{len(results)} records; report in {options.output / 'report.md'}")
    return 0


def _command(options: argparse.Namespace) -> str:
    """What a reader would enter; where the user put things is nobody's business."""
    words = ["python", "-m", "benchmarks.report", "--scale", options.scale]
    for name in ("documents", "engines", "collections"):
        if values := getattr(options, name):
            words += [f"--{name}", *map(str, values)]
    return shlex.join([*words, "--output", "DIR"])


def _plans(options: argparse.Namespace) -> tuple[Plan, ...]:
    beyond = (larger(documents) for documents in options.documents)
    return (*SCALES[options.scale].plans, *beyond)


def _measure(
    options: argparse.Namespace, records: Path, cache: Path, command: str, tell: Tell
) -> None:
    scale = SCALES[options.scale]
    for plan in _plans(options):
        reason = None if plan.active_dimensions else missing_data()
        if options.collections and plan.name not in options.collections:
            continue
        if reason is not None:
            tell(f"skipped {plan.name}: {reason}")
            continue
        measure_plan(plan, options.engines, records, cache, command, tell)
    wanted = not options.collections or "end-to-end" in options.collections
    if scale.end_to_end_documents and wanted and missing_data() is None and not options.engines:
        tell("text to documents")
        end_to_end.measure_and_save(
            scale.end_to_end_documents, cache, records / END_TO_END, command
        )


if __name__ == "__main__":
    sys.exit(run(main))
