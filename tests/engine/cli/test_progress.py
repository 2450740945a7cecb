from __future__ import annotations

import sys
from dataclasses import dataclass

import pytest

from engine.cli import progress
from engine.cli.progress import Estimate, progress_of


@dataclass
class Catalog:
    records_read: int = 0
    bytes_read: int = 0
    bytes_total: int | None = None


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_total_follows_from_the_bytes_that_were_read() -> None:
    catalog, clock = Catalog(400, 1000, 4000), Clock()
    estimate = Estimate(catalog, clock)
    assert str(estimate) == "0 documents, 0 a second"
    clock.now += 10
    estimate.add(200)
    assert estimate.rate == 20
    assert estimate.total == 1600
    assert estimate.seconds_left == 70
    assert str(estimate) == "200 documents, 20 a second, about 1 min 10 s left"
    catalog.records_read, catalog.bytes_read = 1500, 4000
    estimate.add(1300)
    assert estimate.total == 1500
    assert estimate.seconds_left == 0
    assert str(estimate) == "1,500 documents, 150 a second"


def test_a_pipe_has_no_end_in_sight() -> None:
    clock = Clock()
    estimate = Estimate(Catalog(400, 1000, None), clock)
    clock.now += 2
    estimate.add(1)
    assert estimate.total is None
    assert str(estimate) == "1 document, 0 a second"


def test_the_rate_is_that_of_late() -> None:
    clock = Clock()
    estimate = Estimate(Catalog(10_000, 10, 10), clock)
    clock.now += 1
    estimate.add(5000)  # unchanged: no work
    for _ in range(60):
        clock.now += 1
        estimate.add(10)
    assert estimate.rate == pytest.approx(10)


def test_plain_lines_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock()
    monkeypatch.setattr("engine.cli.progress.time.monotonic", clock)
    with progress_of(Catalog(100, 10, 10)) as advance:
        for _ in range(12):
            clock.now += 1
            advance(5)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 2
    assert "\x1b" not in captured.err


def test_a_bar_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    with progress_of(Catalog(100, 10, 20)) as advance:
        advance(50)
    with progress.waiting("loading"):
        pass
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "50 documents" in captured.err
    assert "loading" in captured.err
