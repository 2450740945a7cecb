"""A worker: one engine in a process of its own, told by its parent when to build and measure.

Requests go to its standard input and answers come from its standard output, one JSON object a line.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.preemption import preemptions
from benchmarks.process_memory import PeakMemory

_ROOT = Path(__file__).resolve().parent.parent
# Libraries that would start threads behind an engine's back. Numba's limit is lifted to what the
# batches may use: it runs on one thread where no other number is asked for.
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")


class WorkerError(RuntimeError):
    """A worker died or took too long; the message says in one line at what and why.

    Attributes:
        engine: whose worker it was.
    """

    def __init__(self, engine: str, message: str) -> None:
        super().__init__(message)
        self.engine = engine


class Worker:
    """The parent's end of a worker."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        environment = {**os.environ, **dict.fromkeys(_ONE_THREAD, "1")}
        environment["NUMBA_NUM_THREADS"] = str(len(os.sched_getaffinity(0)))
        # What engines print is of no use until one dies; then its last line tells why.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.session", engine],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
            env=environment,
        )
        self._complaint = ""
        self._reader = threading.Thread(target=self._read_complaints, daemon=True)
        self._reader.start()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._process.kill()
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._reader.join()
        self._process.stdout.close()

    def preemptions(self) -> int | None:
        """How often the process had to make way for another until now; None if nobody knows."""
        return preemptions(self._process.pid)

    def call(self, command: str, limit_s: float = 3600.0, **arguments: Any) -> Any:
        """Have a method of the session run, and wait for what it returns.

        Raises:
            WorkerError: the worker died, or was stopped after `limit_s` seconds.
        """
        pipe_in, pipe_out = self._process.stdin, self._process.stdout
        assert pipe_in is not None and pipe_out is not None
        is_late = threading.Event()

        def stop() -> None:
            is_late.set()
            self._process.kill()

        timer = threading.Timer(limit_s, stop)
        timer.start()
        try:
            print(json.dumps({"command": command, **arguments}), file=pipe_in, flush=True)
            answer = pipe_out.readline()
        except BrokenPipeError:
            answer = ""
        finally:
            timer.cancel()
        if answer:
            return json.loads(answer)
        if is_late.is_set():
            raise WorkerError(self._engine, f"{command} took longer than {limit_s:.0f} s")
        self._process.wait()
        self._reader.join()
        reason = self._complaint or "it died without a word"
        raise WorkerError(self._engine, f"{command} failed: {reason}")

    def call_watched(
        self, command: str, limit_s: float, **arguments: Any
    ) -> tuple[Any, dict[str, int]]:
        """As `call`, and how many bytes more than before the process had at its peak."""
        with PeakMemory(self._process.pid) as peak:
            answer = self.call(command, limit_s, **arguments)
        return answer, {"peak_bytes": peak.total, "peak_own_bytes": peak.anonymous}

    def _read_complaints(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                self._complaint = line.strip() or self._complaint
