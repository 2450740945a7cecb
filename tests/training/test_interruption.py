"""Signals that are held back: the first is noted, the second acts, others' handlers stay."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from types import FrameType
from typing import Any

import pytest

from tests.engine.cli.commands import ROOT, environment
from training.interruption import Interruption


def ignore(_: str) -> None:
    pass


def handlers() -> tuple[object, object]:
    return signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)


def test_the_first_is_noted_and_the_second_acts() -> None:
    told: list[str] = []
    before = handlers()
    with pytest.raises(KeyboardInterrupt) as second, Interruption(told.append, "") as interruption:
        signal.raise_signal(signal.SIGINT)
        assert interruption.came
        signal.raise_signal(signal.SIGINT)
    assert str(second.value) == ""
    assert len(told) == 1
    assert "once more stops at once" in told[0]
    assert handlers() == before


def test_acting_says_where_it_stopped() -> None:
    with pytest.raises(KeyboardInterrupt, match="after step 3"), Interruption(ignore, "") as it:
        signal.raise_signal(signal.SIGINT)
        it.act("stopped after step 3")


def test_nothing_is_left_of_it() -> None:
    before = handlers()
    with Interruption(ignore, "") as interruption:
        assert handlers() != before
    assert handlers() == before
    assert not interruption.came


def test_what_nobody_acted_on_is_heard_at_the_end() -> None:
    with pytest.raises(KeyboardInterrupt, match=r"^done$"), Interruption(ignore, "done"):
        signal.raise_signal(signal.SIGINT)


def test_an_error_goes_before_an_interruption() -> None:
    with pytest.raises(ZeroDivisionError), Interruption(ignore, ""):
        signal.raise_signal(signal.SIGINT)
        raise ZeroDivisionError


ERRORS = [RuntimeError("reentrant call"), BrokenPipeError(), ValueError("closed file")]


@pytest.mark.parametrize("error", ERRORS)
def test_a_stream_that_is_in_use_or_gone_does_not_end_the_run(error: Exception) -> None:
    def fail(_: str) -> None:
        raise error

    with pytest.raises(KeyboardInterrupt, match="at the end"), Interruption(fail, "") as it:
        signal.raise_signal(signal.SIGINT)
        it.act("at the end")


def in_a_process(*lines: str) -> tuple[int, str]:
    """Run lines of Python in an interruption whose stream is closed; exit status and errors."""
    script = [
        "import os, signal",
        "from training.interruption import Interruption",
        "stream = open(os.devnull, 'w')",
        "stream.close()",
        "with Interruption(stream.write, 'done') as interruption:",
        *(f"    {line}" for line in lines),
    ]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(script)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stderr


def test_sigterm_ends_the_process_whatever_the_stream() -> None:
    line = "signal.raise_signal(signal.SIGTERM)"
    assert in_a_process(line, "interruption.act('stopped')") == (-signal.SIGTERM, "")
    assert in_a_process(line) == (-signal.SIGTERM, "")


def test_both_signals_at_once_lose_neither() -> None:
    both = "{signal.SIGINT, signal.SIGTERM}"
    ended = in_a_process(
        f"signal.pthread_sigmask(signal.SIG_BLOCK, {both})",
        f"for number in {both}: signal.raise_signal(number)",
        f"signal.pthread_sigmask(signal.SIG_UNBLOCK, {both})",
        "raise SystemExit('not ended')",
    )
    assert ended == (-signal.SIGTERM, "")


def test_a_second_one_while_signals_are_taken_leaves_nothing_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def install(number: signal.Signals, handler: Any) -> Any:
        before = set_handler(number, handler)
        if number == signal.SIGINT and handler != signal.default_int_handler:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return before

    before = handlers()
    set_handler = signal.signal
    with monkeypatch.context() as patch:
        patch.setattr("training.interruption.signal.signal", install)
        with pytest.raises(KeyboardInterrupt), Interruption(ignore, ""):
            pass
    assert handlers() == before


def test_a_handler_of_the_caller_stays() -> None:
    received: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        received.append(number)

    before = signal.signal(signal.SIGINT, handle)
    try:
        with Interruption(ignore, "") as interruption:
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is handle
    finally:
        signal.signal(signal.SIGINT, before)
    assert received == [signal.SIGINT]
    assert not interruption.came


def test_outside_the_main_thread_nothing_is_held_back() -> None:
    before = handlers()
    seen: list[object] = []

    def work() -> None:
        with Interruption(ignore, ""):
            seen.append(handlers())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
