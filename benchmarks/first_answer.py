"""From the start of a process to its first answer, of any engine over vectors."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.effort import Effort

_LIMIT_S = 120.0
_ROOT = Path(__file__).resolve().parent.parent


def first_answer_seconds(
    engine: str, index: Path, queries: Path, effort: Effort
) -> dict[str, Any] | None:
    """Start fresh processes one after another; caches of files and of compiled code stay.

    The first process is not counted: it may fill those caches.

    Returns:
        `median` and `all` (seconds), or None where a process failed or took over two minutes.
    """
    command = [sys.executable, "-m", "benchmarks.first_answer_process", engine]
    command += [str(index.resolve()), str(queries.resolve()), str(effort.k)]
    seconds = []
    for _ in range(1 + effort.first_answers):
        begun = time.perf_counter()
        with subprocess.Popen(
            command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            assert process.stdout is not None
            timer = threading.Timer(_LIMIT_S, process.kill)
            timer.start()
            line = process.stdout.readline()
            # Engines may print, too.
            while line and not line.startswith("first answer"):
                line = process.stdout.readline()
            seconds.append(time.perf_counter() - begun)
            timer.cancel()
        if not line:
            return None
    return {"median": median(seconds[1:]), "all": seconds}
