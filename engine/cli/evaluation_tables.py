"""An evaluation for people: one table of groups, or one of systems for each group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from engine.cli.output import PlainConsole, count, duration, plain

if TYPE_CHECKING:
    from training.evaluation.report import EvaluationReport, GroupFigures, Measured

_NOTE = (
    "95 % bootstrap intervals over queries; p: paired randomization test against the first system"
)
_GAP = 2
# Widths of the columns, each with the gap behind it.
_NAME = len("corpus_sparsity_ratio") + _GAP
_VALUE = len("0.0000 [0.000, 0.000]") + _GAP
_P = len("<0.001") + _GAP


def print_report(report: EvaluationReport) -> None:
    """Print what was asked, then the figures."""
    console = PlainConsole()
    asked = f"{count(report.queries, 'query', 'queries')} of {report.collection}"
    if report.split:
        asked += f", {report.split} split"
    head = plain(f"{asked}, {count(report.documents, 'document')}")
    head.stylize("bold")
    console.print(head)
    for note in _notes(report):
        console.print(plain(note), style="dim")
    console.print()
    if len(report.systems) == 1:
        console.print(_groups_table(report))
        return
    for group in report.groups:
        for rivals in _fitting(len(report.systems) - 1, console.width):
            console.print(_systems_table(report, group, rivals))
            console.print()
    console.print(plain(_NOTE), style="dim")


def _notes(report: EvaluationReport) -> list[str]:
    notes = []
    if report.left_out:
        left_out = count(report.left_out, "query", "queries")
        notes.append(f"{left_out} without a relevant document left out")
    if report.min_relevance is not None:
        notes.append(f"relevant: judged {report.min_relevance:g} or more")
    for system in report.systems:
        encoded = f", {count(system.encoded, 'document')} encoded" if system.encoded else ""
        notes.append(f"{system.name}: {duration(system.seconds)}{encoded}")
    return notes


def _groups_table(report: EvaluationReport) -> Table:
    table = _table("")
    figures = report.systems[0].groups
    for group, part in figures.items():
        _add_values(table, f"{group} ({part.queries:,})")
    for name in figures["all"].metrics:
        table.add_row(name, *(_measured(part.metrics[name]) for part in figures.values()))
    _add_sparsity(table, list(figures.values()))
    return table


def _fitting(rivals: int, width: int) -> list[range]:
    """Split the systems that the first is compared with into tables that fit the width."""
    beside = max(1, (width - _NAME - _VALUE) // (_VALUE + _P))
    return [range(at, min(at + beside, rivals)) for at in range(0, rivals, beside)]


def _systems_table(report: EvaluationReport, group: str, rivals: range) -> Table:
    parts = [system.groups[group] for system in report.systems]
    table = _table(f"{group} ({parts[0].queries:,})")
    _add_values(table, report.systems[0].name)
    for rival in rivals:
        _add_values(table, report.systems[rival + 1].name)
        table.add_column("p", justify="right", no_wrap=True, min_width=_P - _GAP)
    for name in parts[0].metrics:
        cells = [_measured(parts[0].metrics[name])]
        for rival in rivals:
            comparison = report.comparisons[rival]
            cells.append(_measured(parts[rival + 1].metrics[name]))
            cells.append(_p(comparison.groups[group][name].p))
        table.add_row(name, *cells)
    _add_sparsity(table, [parts[0], *(parts[rival + 1] for rival in rivals)], gap=True)
    return table


def _table(corner: str) -> Table:
    table = Table(box=None, padding=(0, _GAP, 0, 0))
    table.add_column(plain(corner), no_wrap=True)
    return table


def _add_values(table: Table, name: str) -> None:
    # A model's folder may have a long name: it is folded, and the figures stay on one line.
    table.add_column(plain(name), justify="right", overflow="fold", width=_VALUE - _GAP)


def _add_sparsity(table: Table, parts: list[GroupFigures], *, gap: bool = False) -> None:
    plain_parts = [{} if part.sparsity is None else part.sparsity.to_dict() for part in parts]
    for name in next((figures for figures in plain_parts if figures), {}):
        cells = []
        for at, figures in enumerate(plain_parts):
            cells.append(_number(name, figures[name]) if figures else "-")
            if gap and at:
                cells.append("")
        table.add_row(name, *cells)


def _measured(measured: Measured) -> str:
    low, high = measured.interval
    return f"{measured.value:.4f} [{low:.3f}, {high:.3f}]"


def _p(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _number(name: str, value: float) -> str:
    return f"{value:,.1f}" if name.endswith("_dims") else f"{value:.4f}"
