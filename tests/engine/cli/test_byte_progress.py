from __future__ import annotations

import sys

import pytest

from engine.cli import byte_progress as module
from engine.cli.byte_progress import byte_progress


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


def test_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    with byte_progress("verifying") as advance:
        advance(1_000_000, 4_000_000)
        clock.now += 6
        advance(2_000_000, 4_000_000)
        advance(3_000_000, 4_000_000)
        clock.now += 6
        advance(4_000_000, 4_000_000)
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "verifying: 2.0 MB of 4.0 MB\n")


def test_a_bar_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with byte_progress("copying") as advance:
        advance(2_000_000, 4_000_000)
    told = capsys.readouterr()
    assert told.out == ""
    assert "copying" in told.err
    assert "2.0 MB of 4.0 MB" in told.err
