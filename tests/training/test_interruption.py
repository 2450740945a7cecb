"""Signals that are held back: the first is noted, the second acts, others' handlers stay."""

from __future__ import annotations

import signal
import threading
from types import FrameType

import pytest

from training.interruption import Interruption


def ignore(_: str) -> None:
    pass


def handlers() -> tuple[object, object]:
    return signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)


def test_the_first_is_noted_and_the_second_acts() -> None:
    told: list[str] = []
    before = handlers()
    with pytest.raises(KeyboardInterrupt) as second, Interruption(told.append) as interruption:
        signal.raise_signal(signal.SIGINT)
        assert interruption.came
        assert handlers() == before
        signal.raise_signal(signal.SIGINT)
    assert str(second.value) == ""
    assert len(told) == 1
    assert "once more stops at once" in told[0]
    assert handlers() == before


def test_acting_says_where_it_stopped() -> None:
    with pytest.raises(KeyboardInterrupt, match="after step 3"), Interruption(ignore) as it:
        signal.raise_signal(signal.SIGINT)
        it.act("stopped after step 3")


def test_nothing_is_left_of_it() -> None:
    before = handlers()
    with Interruption(ignore) as interruption:
        assert handlers() != before
    assert handlers() == before
    assert not interruption.came


def test_what_nobody_acted_on_is_heard_at_the_end() -> None:
    with pytest.raises(KeyboardInterrupt), Interruption(ignore):
        signal.raise_signal(signal.SIGINT)


def test_an_error_goes_before_an_interruption() -> None:
    with pytest.raises(ZeroDivisionError), Interruption(ignore):
        signal.raise_signal(signal.SIGINT)
        raise ZeroDivisionError


def test_a_stream_that_is_in_use_does_not_end_the_run() -> None:
    def busy(_: str) -> None:
        raise RuntimeError("reentrant call")

    with pytest.raises(KeyboardInterrupt, match="at the end"), Interruption(busy) as interruption:
        signal.raise_signal(signal.SIGINT)
        interruption.act("at the end")


def test_a_handler_of_the_caller_stays() -> None:
    received: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        received.append(number)

    before = signal.signal(signal.SIGINT, handle)
    try:
        with Interruption(ignore) as interruption:
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
        with Interruption(ignore):
            seen.append(handlers())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
