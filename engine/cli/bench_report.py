"""What `engine bench` found, for people: figures, and bars of characters."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from engine.cli.bench_measurement import Measured
from engine.cli.output import PlainConsole, count, plain

_LONGEST_QUERY = 60
_LONGEST_BAR = 40
STAGE_NAMES = {
    "tokenize": "tokenize",
    "look_up": "look up weights",
    "score": "score: accumulate and select",
    "fetch": "fetch ids and documents",
    "decode": "decode documents",
    "rest": "everything else",
}


def print_report(path: str, documents: int, origin: str, found: Measured) -> None:
    """Print latency, throughput, where the time goes, and a histogram.

    Args:
        path: the index.
        documents: how many it has.
        origin: where the queries are from.
        found: what was measured.
    """
    console = PlainConsole()
    workload = found.workload
    head = plain(path)
    head.stylize("bold")
    console.print(head.append(f"  {count(documents, 'document')}", "dim"))
    asked = count(len(workload.queries), "query", "queries")
    console.print(
        plain(
            f"{asked} {origin}, k {workload.k}; {count(workload.rounds, 'round')} after one to "
            "warm up; a query's latency is the median of its rounds"
        ),
        style="dim",
    )
    if workload.rho is not None:
        console.print(
            plain(f"rho {workload.rho:g}: {found.recall:.4f} of the exact hits are found"),
            style="dim",
        )
    if found.without_hits:
        console.print(plain(f"{found.without_hits:,} of them found nothing"), style="dim")
    _print_part(console, "Latency of a query, from its text to its documents", _latency(found))
    _print_part(console, "Queries a second", _throughput(found))
    _print_part(console, "Where the time goes, in the mean", _stages(found, console))
    _print_part(console, "Queries by latency", _histogram(found, console))


def _print_part(console: PlainConsole, title: str, table: Table) -> None:
    console.print()
    console.print(Text(title, "bold"))
    console.print(table)


def _latency(found: Measured) -> Table:
    table = _table(2)
    for name, value in found.percentiles.items():
        table.add_row(name, milliseconds(value))
    query, value = found.slowest
    shown = query if len(query) <= _LONGEST_QUERY else f"{query[:_LONGEST_QUERY]}..."
    table.add_row("slowest", milliseconds(value), plain(shown))
    return table


def _throughput(found: Measured) -> Table:
    table = _table(2)
    for name, value in found.throughput.items():
        table.add_row(name, f"{value:,.0f}")
    return table


def _stages(found: Measured, console: PlainConsole) -> Table:
    table = _table(3)
    total = sum(found.stages.values())
    for stage, value in found.stages.items():
        share = value / total
        table.add_row(STAGE_NAMES[stage], milliseconds(value), f"{share:.0%}", _bar(share, console))
    return table


def _histogram(found: Measured, console: PlainConsole) -> Table:
    table = _table(3)
    bins = list(found.histogram())
    most = max(number for _, _, number in bins)
    for low, high, number in bins:
        table.add_row(
            f"to {milliseconds(high)}" if low < high else milliseconds(low),
            f"{number:,}",
            "",
            _bar(number / most, console),
        )
    return table


def _table(numbers: int) -> Table:
    """A name, columns of numbers, and a last one for a bar or a text."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    for _ in range(numbers - 1):
        table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _bar(share: float, console: PlainConsole) -> Text:
    # Whatever is there shows, be it a single query.
    length = max(round(share * _LONGEST_BAR), int(share > 0))
    return Text("█" * length, "cyan") if console.is_terminal else Text("#" * length)


def milliseconds(value: float) -> str:
    """Return such as `0.0123 ms`, `1.23 ms` or `123 ms`: three digits that matter."""
    for digits, bound in ((4, 0.1), (3, 1.0), (2, 10.0), (1, 100.0)):
        if value < bound:
            return f"{value:.{digits}f} ms"
    return f"{value:,.0f} ms"
