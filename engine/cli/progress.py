"""Progress of a long run: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

import click
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from engine.cli.output import PlainConsole, count, duration

_RATE_PERIOD_S = 30.0
_LINE_EVERY_S = 5.0


class ByteCounts(Protocol):
    """A catalog that knows how far it has been read."""

    @property
    def records_read(self) -> int:
        """Records taken so far."""

    @property
    def bytes_read(self) -> int:
        """Bytes taken so far."""

    @property
    def bytes_total(self) -> int | None:
        """Bytes of all files; None where a pipe is among them."""


class LatestPass:
    """Of several passes over a catalog, how far the latest has come."""

    def __init__(self) -> None:
        self._catalog: ByteCounts | None = None

    def begin(self, catalog: ByteCounts) -> None:
        """Follow another pass from now on."""
        self._catalog = catalog

    @property
    def records_read(self) -> int:
        """Records taken in this pass."""
        return 0 if self._catalog is None else self._catalog.records_read

    @property
    def bytes_read(self) -> int:
        """Bytes taken in this pass."""
        return 0 if self._catalog is None else self._catalog.bytes_read

    @property
    def bytes_total(self) -> int | None:
        """Bytes of all files; None where that is not known."""
        return None if self._catalog is None else self._catalog.bytes_total


class Estimate:
    """Documents done, documents a second, and the time that is left.

    Records are read ahead of the documents that are done, and how many there are is known at the
    end only: the total is estimated from the share of the bytes that has been read.
    """

    def __init__(self, catalog: ByteCounts, clock: Callable[[], float] = time.monotonic) -> None:
        self._catalog = catalog
        self._clock = clock
        self._samples: deque[tuple[float, int]] = deque([(clock(), 0)])
        self.done = 0

    def add(self, documents: int) -> None:
        """Count documents that are newly done."""
        now = self._clock()
        self.done += documents
        self._samples.append((now, self.done))
        # The rate of late: documents that are unchanged go by much faster than new ones.
        while len(self._samples) > 2 and now - self._samples[1][0] > _RATE_PERIOD_S:
            self._samples.popleft()

    @property
    def rate(self) -> float:
        """Documents a second, over about the last half minute; 0 where it cannot be told yet."""
        (begun, before), (ended, after) = self._samples[0], self._samples[-1]
        return (after - before) / (ended - begun) if ended > begun else 0.0

    @property
    def total(self) -> int | None:
        """About how many documents there are; None where it cannot be told."""
        read, total = self._catalog.bytes_read, self._catalog.bytes_total
        if not total or not read:
            return None
        return max(self.done, round(self._catalog.records_read * max(total, read) / read))

    @property
    def seconds_left(self) -> float | None:
        """About how long it will take; None where it cannot be told."""
        total, rate = self.total, self.rate
        return None if total is None or not rate else (total - self.done) / rate

    def __str__(self) -> str:
        text = f"{count(self.done, 'document')}, {self.rate:,.0f} a second"
        left = self.seconds_left
        return text if not left or left < 1 else f"{text}, about {duration(left)} left"


@contextlib.contextmanager
def waiting(what: str) -> Iterator[None]:
    """Say on a terminal what is being waited for."""
    if not sys.stderr.isatty():
        yield
        return
    with PlainConsole(sys.stderr).status(what):
        yield


@contextlib.contextmanager
def progress_of(
    catalog: ByteCounts, beginning: str = "starting"
) -> Iterator[Callable[[int], None]]:
    """Show progress on standard error while inside; gives the function that counts documents."""
    estimate = Estimate(catalog)
    if sys.stderr.isatty():
        with _bar(estimate, beginning) as advance:
            yield advance
    else:
        yield _lines(estimate)


def _lines(estimate: Estimate) -> Callable[[int], None]:
    last = time.monotonic()

    def advance(documents: int) -> None:
        nonlocal last
        estimate.add(documents)
        if estimate.done and time.monotonic() - last >= _LINE_EVERY_S:
            last = time.monotonic()
            click.echo(str(estimate), err=True)

    return advance


@contextlib.contextmanager
def _bar(estimate: Estimate, beginning: str) -> Iterator[Callable[[int], None]]:
    columns = (SpinnerColumn(), BarColumn(bar_width=24), TextColumn("{task.description}"))
    console = PlainConsole(sys.stderr)
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(beginning, total=None)

        def advance(documents: int) -> None:
            estimate.add(documents)
            progress.update(
                task, completed=estimate.done, total=estimate.total, description=str(estimate)
            )

        yield advance
