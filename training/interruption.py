"""Ctrl-C and SIGTERM, held back until a run can stop without losing a step."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, NoReturn, Self

_NOTICE = "interrupted: the step in hand is finished and saved first; once more stops at once"
# Whoever handles a signal otherwise has a reason to: then it is not touched.
_DEFAULTS: dict[signal.Signals, Callable[[int, FrameType | None], Any] | signal.Handlers] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
}


class Interruption:
    """A context in which the first SIGINT or SIGTERM only leaves a note; the next acts at once.

    Where nothing acts on the note, the signal is heard at the end of the context.

    A signal that the caller handles in a way of its own stays the caller's. Outside the main
    thread, the only one that Python gives signals to, none is held back.

    Attributes:
        came: whether a signal came.
    """

    def __init__(self, tell: Callable[[str], None], at_end: str) -> None:
        """Hold nothing back yet.

        `tell` is called with sentences for people, once within the handler of the signal, and
        nothing that it raises is let through. `at_end` is what the signal says at the end.
        """
        self.came = False
        self._tell = tell
        self._at_end = at_end
        self._signal = signal.SIGINT
        self._held: list[signal.Signals] = []

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            try:
                for number, default in _DEFAULTS.items():
                    if signal.getsignal(number) == default:
                        self._held.append(number)
                        signal.signal(number, self._note)
            except BaseException:
                # A second one came before all were held.
                self._release()
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._release()
        if self.came and kind is None:
            # It came when there was nothing to stop any more; whoever sent it wants it heard.
            self.act(self._at_end)

    def act(self, sentence: str) -> NoReturn:
        """End as the signal would have ended the process, and say `sentence`.

        Raises:
            KeyboardInterrupt: with the sentence, for SIGINT; SIGTERM ends the process.
        """
        self._release()
        if self._signal == signal.SIGTERM:
            with contextlib.suppress(Exception):
                self._tell(sentence)
            signal.raise_signal(signal.SIGTERM)
        raise KeyboardInterrupt(sentence)

    def _note(self, number: int, frame: FrameType | None) -> None:
        received = signal.Signals(number)
        if self.came:
            # Only its own default: Python may be about to call the handler of the other.
            signal.signal(received, _DEFAULTS[received])
            signal.raise_signal(received)
            return
        self.came = True
        self._signal = received
        # The signal may have come while the very same stream was being written to, or it is closed.
        with contextlib.suppress(Exception):
            self._tell(_NOTICE)

    def _release(self) -> None:
        for number in self._held:
            signal.signal(number, _DEFAULTS[number])
