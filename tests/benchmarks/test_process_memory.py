from __future__ import annotations

import mmap
import os
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.process_memory import PeakMemory, read_memory

_BYTES = 1 << 26


def test_own_memory_and_that_of_files_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(_BYTES))
    before = read_memory(os.getpid())
    own = np.ones(_BYTES, np.uint8)
    after = read_memory(os.getpid())
    assert after.anonymous - before.anonymous > 0.9 * _BYTES
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert sum(mapped[:: mmap.PAGESIZE]) == 0
        mapped_too = read_memory(os.getpid())
        assert mapped_too.file - after.file > 0.9 * _BYTES
    assert mapped_too.total == mapped_too.anonymous + mapped_too.file
    assert own.all()


def test_peak_outlives_what_caused_it() -> None:
    with PeakMemory(os.getpid()) as peak:
        own = np.ones(_BYTES, np.uint8)
        while not peak.anonymous > 0.9 * _BYTES:
            time.sleep(0.005)
        del own
    assert peak.total >= peak.anonymous > 0.9 * _BYTES


def test_a_process_that_is_not_there() -> None:
    with pytest.raises(OSError):
        read_memory(2**22 + 1)
