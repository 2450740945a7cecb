"""Progress of reading so many bytes: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

import click
from rich.progress import BarColumn, Progress, TextColumn

from engine.cli.output import PlainConsole, size

_LINE_EVERY_S = 5.0

Advance = Callable[[int, int], None]


@contextlib.contextmanager
def byte_progress(what: str) -> Iterator[Advance]:
    """Show progress on standard error while inside.

    Args:
        what: what is being done, such as `verifying`.

    Returns:
        A function that takes the bytes that are done and the bytes there are.
    """
    if not sys.stderr.isatty():
        yield _lines(what)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[done]}"),
    )
    with Progress(*columns, console=PlainConsole(sys.stderr), transient=True) as bar:
        task = bar.add_task(what, total=None, done="")

        def advance(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, done=f"{size(done)} of {size(total)}")

        yield advance


def _lines(what: str) -> Advance:
    last = time.monotonic()

    def advance(done: int, total: int) -> None:
        nonlocal last
        if done < total and time.monotonic() - last >= _LINE_EVERY_S:
            last = time.monotonic()
            click.echo(f"{what}: {size(done)} of {size(total)}", err=True)

    return advance
