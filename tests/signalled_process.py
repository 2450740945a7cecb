"""Sending a signal to a process at a line that it prints."""

from __future__ import annotations

import signal
import subprocess
from typing import IO


def signal_at(
    start: str, number: signal.Signals, process: subprocess.Popen[str], stream: IO[str] | None
) -> tuple[str, str]:
    """Send a signal once a line of `stream` begins so; return the rest that the process printed.

    Its input is closed after the signal: one that waits for that cannot end too early. The process
    does not outlive the call.
    """
    try:
        assert stream is not None
        for line in stream:
            if line.startswith(start):
                process.send_signal(number)
                break
        return process.communicate(timeout=60)
    finally:
        process.kill()
