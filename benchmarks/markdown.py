"""The report as one Markdown page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks.results import Record, Results, ratio_to_ours
from benchmarks.targets import Verdict, verdicts


def write_report(results: Results, plots: Sequence[tuple[str, Path]], path: Path) -> None:
    """Write the page; plots are linked by their names, so they lie beside it."""
    path.write_text("\n".join(_lines(results, plots)) + "\n", encoding="utf-8")


def _lines(results: Results, plots: Sequence[tuple[str, Path]]) -> Iterator[str]:
    yield "# Benchmark results"
    yield ""
    yield from _circumstances(results)
    yield "## Targets"
    yield ""
    yield from _table(
        ("what", "collection", "target", "figure", "holds", "command"),
        (_target_row(verdict) for verdict in verdicts(results)),
    )
    for title, plot in plots:
        yield from (f"## {title}", "", f"![{title}]({plot.name})", "")
    for name in results.collections():
        yield from _collection(results, name)
    yield from _end_to_end(results)


def _circumstances(results: Results) -> Iterator[str]:
    """When, where and with what everything was measured."""
    machines: dict[str, None] = {}
    commands: dict[str, None] = {}
    versions: dict[str, str] = {}
    for name in results.collections():
        for record in results.records(name):
            machine = record["machine"]
            machines[f"{machine['cpu']}, {machine['cores']} cores, {machine['date']}"] = None
            commands[record["command"]] = None
            versions |= machine["versions"]
            if "version" in record:
                versions[record["engine"]] = record["version"]
    yield from (f"Measured on: {machine}." for machine in machines)
    yield ""
    yield "Versions: " + ", ".join(f"{name} {version}" for name, version in versions.items()) + "."
    yield ""
    yield (
        "Each engine ran in a process of its own, on one thread unless a column says otherwise. "
        "Rounds of all engines were interleaved; figures are medians over rounds. Recall is "
        "against exhaustive float64 scoring, where documents that tie within an engine's number "
        "format are equally right. Names: `s` collections have about 150 active dimensions, `w` "
        "about 800; `q6` are queries of about 6 terms."
    )
    yield ""
    yield from (f"    {command}" for command in commands)
    yield ""


def _target_row(verdict: Verdict) -> tuple[str, ...]:
    figure = "not measured" if verdict.figure is None else f"{verdict.figure:.3g}{verdict.unit}"
    holds = {True: "yes", False: "**no**", None: ""}[verdict.holds]
    command = f"`{verdict.command}`" if verdict.figure is not None and verdict.command else ""
    return verdict.what, verdict.collection, verdict.target, figure, holds, command


def _collection(results: Results, name: str) -> Iterator[str]:
    records = list(results.records(name))
    about = records[0]["collection"]
    kind = "synthetic" if about["is_synthetic"] else "real"
    yield f"## {name}: {about['documents']:,} {kind} documents"
    yield ""
    for query_set in results.query_sets(name):
        rows = list(results.rows(name, query_set))
        if not rows:
            continue
        figures = rows[0][1]["queries"][query_set]
        rounds = rows[0][1]["effort"]["rounds"]
        yield (
            f"### {name} {query_set}: {figures['count']:,} queries of {figures['terms']:.1f} "
            f"terms, {rounds} rounds"
        )
        yield ""
        yield from _table(
            (
                *("engine", "p50 µs", "p95 µs", "p99 µs", "ours / its p50", "recall"),
                *("batch, 1 thread, q/s", "batch, 2 threads, q/s"),
            ),
            (
                (
                    label,
                    *(f"{one[f'p{percentile}_us']:,.0f}" for percentile in (50, 95, 99)),
                    _ratio(ratio_to_ours(one)),
                    f"{one['recall']:.4f}",
                    *(_rate(one["batch_qps"].get(threads)) for threads in ("1", "2")),
                )
                for label, _, one in rows
            ),
        )
        if all(one.get("preempted") is not None for _, _, one in rows):
            counts = ", ".join(f"{label} {one['preempted']}" for label, _, one in rows)
            yield f"Times preempted in the measured rounds: {counts}."
            yield ""
    yield f"### {name}: what an index costs"
    yield ""
    yield from _table(
        (
            *("engine", "build s", "peak of building MB", "disk MB", "load s", "memory added MB"),
            *("of it page cache MB", "start to first answer s"),
        ),
        (_cost_row(record) for record in records if "skipped" not in record),
    )
    skipped = [record for record in records if "skipped" in record]
    yield from (f"- {record['engine']} was skipped: {record['skipped']}" for record in skipped)
    noted = [record for record in records if "notes" in record]
    yield from (f"- {record['engine']}, {note}" for record in noted for note in record["notes"])
    if skipped or noted:
        yield ""


def _cost_row(record: Record) -> tuple[str, ...]:
    build, load = record["build"], record["load"]
    added = load.get("added", {"anonymous": 0, "file": 0})
    first = record.get("first_answer_s")
    return (
        record["engine"],
        f"{build['build_s']:.1f}",
        f"{build['peak_bytes'] / 1e6:,.0f}",
        f"{build['disk_bytes'] / 1e6:,.0f}",
        f"{load['load_s']:.2f}",
        f"{sum(added.values()) / 1e6:,.0f}",
        f"{added['file'] / 1e6:,.0f}",
        f"{first['median']:.2f}" if first else "",
    )


def _end_to_end(results: Results) -> Iterator[str]:
    found = results.end_to_end
    if found is None:
        return
    yield f"## Text to documents: {found['documents']:,} real documents"
    yield ""
    yield (
        f"p50 {found['p50_us']:,.0f} µs, p95 {found['p95_us']:,.0f}, p99 {found['p99_us']:,.0f} "
        f"over {found['queries']:,} queries of shoppers; scoring alone has a p50 of "
        f"{found['kernel_p50_us']:,.0f} µs, so the whole is {found['ratio_to_kernel']:.2f} times "
        "the kernel's own. Scoring is accumulating and selecting: one call of compiled code."
    )
    yield ""
    total = sum(found["stages_us"].values()) or 1.0
    yield from _table(
        ("stage", "p50 µs", "share"),
        (
            (stage, f"{value:,.1f}", f"{value / total:.0%}")
            for stage, value in found["stages_us"].items()
        ),
    )


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _rate(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    yield from ("| " + " | ".join(row) + " |" for row in rows)
    yield ""
