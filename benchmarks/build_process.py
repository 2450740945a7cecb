"""One fresh process that builds an index from a matrix in memory, as `build` asks.

Usage: python -m benchmarks.build_process ROWS INDEX VOCABULARY THREADS
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

import engine.storage.environment
import indexer.block_preparation
import indexer.index_writer
import indexer.inversion
from benchmarks.process_memory import status_bytes
from indexer import write_index

# Enough documents for dense rows, so that every kernel is compiled and loaded beforehand.
_WARMING_DOCUMENTS = 2_000

# What is timed: where the function is looked up, its name there, and what it counts as.
_STAGES: tuple[tuple[Any, str, str], ...] = (
    (indexer.index_writer, "checked_ids", "check ids"),
    (indexer.index_writer, "checked_vectors", "check vectors"),
    (indexer.inversion, "invert", "invert"),
    (indexer.block_preparation, "encode_ids", "encode and hash ids"),
    (indexer.block_preparation.BlocksAhead, "take", "wait for the second thread"),
    (engine.storage.environment, "seal", "copy and checksum values"),
    (engine.storage.environment.Environment, "commit", "write and sync"),
)


class Stopwatch:
    """Seconds of each stage, on the main thread and apart from that on others."""

    def __init__(self) -> None:
        self.main: dict[str, float] = {}
        self.second: dict[str, float] = {}

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Time the stages while the block runs."""
        with contextlib.ExitStack() as stack:
            for owner, name, stage in _STAGES:
                original = getattr(owner, name)
                setattr(owner, name, self._timed(original, stage))
                stack.callback(setattr, owner, name, original)
            yield
        # Sealing is part of committing.
        sealed = self.main.get("copy and checksum values", 0.0)
        self.main["write and sync"] = self.main.get("write and sync", 0.0) - sealed

    def _timed(self, function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            begun = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                is_main = threading.current_thread() is threading.main_thread()
                seconds = self.main if is_main else self.second
                seconds[stage] = seconds.get(stage, 0.0) + time.perf_counter() - begun

        return timed


def build(folder: Path, path: Path, vocabulary_size: int, threads: int) -> dict[str, Any]:
    """Build an index at `path` of what `build.write_rows` wrote to `folder`."""
    indptr, indices, data = (
        np.fromfile(folder / name, dtype)
        for name, dtype in (("indptr", np.int64), ("indices", np.int32), ("data", np.float32))
    )
    shape = (len(indptr) - 1, vocabulary_size)
    # The constructor of SciPy makes both index arrays int32 where they fit.
    rows = csr_matrix((data, indices, indptr), shape=shape)
    del indptr, indices, data
    ids = [f"p{number}" for number in range(shape[0])]
    warming = min(_WARMING_DOCUMENTS, shape[0])
    with tempfile.TemporaryDirectory(dir=path.parent) as name:
        write_index(Path(name) / "index", rows[:warming], ids[:warming])
    before = status_bytes(os.getpid())["VmRSS"]
    stopwatch = Stopwatch()
    processor = time.process_time()
    begun = time.perf_counter()
    with stopwatch.running():
        write_index(path, rows, ids, threads=threads)
    seconds = time.perf_counter() - begun
    return {
        "seconds": seconds,
        "processor_s": time.process_time() - processor,
        "main_thread_s": {
            **stopwatch.main,
            "everything else": seconds - sum(stopwatch.main.values()),
        },
        "second_thread_s": stopwatch.second,
        "postings": int(rows.nnz),
        "csr_bytes": rows.data.nbytes + rows.indices.nbytes + rows.indptr.nbytes,
        "before_bytes": before,
        "peak_bytes": status_bytes(os.getpid())["VmHWM"],
        "file_bytes": (path / "data.mdb").stat().st_size,
    }


def main() -> None:
    folder, path, vocabulary_size, threads = sys.argv[1:]
    json.dump(build(Path(folder), Path(path), int(vocabulary_size), int(threads)), sys.stdout)


if __name__ == "__main__":
    main()
