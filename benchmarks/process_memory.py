"""Memory of a process by Linux's account: its own, and what it shares with the page cache."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

_STEP_S = 0.02


@dataclass(frozen=True, slots=True)
class ProcessMemory:
    """Resident bytes.

    Attributes:
        anonymous: what is the process's own.
        file: pages of mapped files; the page cache holds them once for all processes.
    """

    anonymous: int
    file: int

    @property
    def total(self) -> int:
        """All that is resident."""
        return self.anonymous + self.file


def read_memory(process: int) -> ProcessMemory:
    """Memory of a process now.

    Raises:
        OSError: there is no such process, or no `/proc`.
    """
    sizes = status_bytes(process)
    return ProcessMemory(sizes["RssAnon"], sizes["RssFile"] + sizes["RssShmem"])


def status_bytes(process: int) -> dict[str, int]:
    """Bytes by the names of Linux: `VmRSS` is all that is resident, `VmHWM` the most ever.

    What `getrusage` says may be the parent's, from before this program was loaded.

    Raises:
        OSError: there is no such process, or no `/proc`.
    """
    sizes = {}
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.startswith(("Rss", "VmRSS", "VmHWM")):
            sizes[name] = int(value.split()[0]) * 1024
    if not sizes:
        raise ProcessLookupError(f"process {process} has ended")
    return sizes


class PeakMemory:
    """Watches a process while a block runs; looks every 20 ms."""

    def __init__(self, process: int) -> None:
        self._process = process
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._before = ProcessMemory(0, 0)
        self.anonymous = 0
        self.total = 0

    def __enter__(self) -> PeakMemory:
        self._before = read_memory(self._process)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(_STEP_S):
            try:
                now = read_memory(self._process)
            except OSError:
                return
            self.anonymous = max(self.anonymous, now.anonymous - self._before.anonymous)
            self.total = max(self.total, now.total - self._before.total)
