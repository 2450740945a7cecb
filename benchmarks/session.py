"""The other end of a worker: each public method of `Session` answers one command."""

from __future__ import annotations

import gc
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.collections import CollectionShape, SyntheticCollection, open_rows
from benchmarks.engines import CONTENDERS
from benchmarks.process_memory import read_memory
from benchmarks.stored_collection import load_queries


class Session:
    """One engine, and the queries that it was given last."""

    def __init__(self, engine: str) -> None:
        self._engine = CONTENDERS[engine]()
        self._queries: list[Any] = []
        self._errors: list[float] = []

    def prepare(self) -> dict[str, Any]:
        """Compile everything on a tiny collection, so that no later figure has it inside."""
        source = SyntheticCollection(CollectionShape(20, vocabulary_size=500, topics=5))
        self._engine.static_weights = source.static_weights
        with tempfile.TemporaryDirectory() as folder:
            # Memory-mapped as in `build`: Numba compiles again for read-only arrays.
            rows, index = Path(folder, "rows"), Path(folder, "index")
            rows.mkdir()
            index.mkdir()
            source.documents(2_000).save(rows)
            self._engine.build(open_rows(rows), 500, index)
            self._engine.load(index)
            queries = [self._engine.convert(query) for query in source.queries(20, 5)]
            for query in queries:
                self._engine.search(query, 10)
            for threads in range(1, 1 + len(os.sched_getaffinity(0))):
                self._engine.search_batch(queries, 10, threads)
        return {"version": self._engine.version()}

    def build(
        self, collection: str, documents: int, vocabulary_size: int, folder: str
    ) -> dict[str, Any]:
        """Build the index from memory-mapped rows, and weigh it."""
        rows = open_rows(Path(collection)).rows(0, documents)
        self._engine.static_weights = np.load(Path(collection) / "static_weights.npy")
        begun = time.perf_counter()
        self._engine.build(rows, vocabulary_size, Path(folder))
        seconds = time.perf_counter() - begun
        files = [path.stat() for path in Path(folder).rglob("*") if path.is_file()]
        # Blocks, not lengths: an index may be a sparse file.
        return {"build_s": seconds, "disk_bytes": sum(file.st_blocks * 512 for file in files)}

    def load(self, folder: str) -> dict[str, Any]:
        """Open the index."""
        gc.collect()
        before = read_memory(os.getpid())
        begun = time.perf_counter()
        self._engine.load(Path(folder))
        seconds = time.perf_counter() - begun
        return {"load_s": seconds, "before": asdict(before)}

    def memory(self) -> dict[str, int]:
        """Memory of this process now."""
        gc.collect()
        return asdict(read_memory(os.getpid()))

    def settings(self) -> list[dict[str, Any]]:
        """Ways to search, cheapest first."""
        return list(self._engine.settings())

    def ask(self, queries: str, first: int, last: int) -> None:
        """Read the queries that later commands are about."""
        read = load_queries(Path(queries), first, last)
        self._queries = [self._engine.convert(query) for query in read]
        self._errors = [self._engine.score_error(query) for query in read]

    def answers(self, setting: dict[str, Any], count: int, k: int) -> list[dict[str, Any]]:
        """Hits of the first `count` queries."""
        self._engine.use(setting)
        answers = []
        for query, error in zip(self._queries[:count], self._errors[:count], strict=True):
            documents, scores = self._engine.search(query, k)
            answers.append(
                {
                    "documents": np.asarray(documents).tolist(),
                    "scores": np.asarray(scores).tolist(),
                    "score_error": error,
                }
            )
        return answers

    def round(self, setting: dict[str, Any], k: int, budget_s: float) -> list[float]:
        """Microseconds of each query, in order, until the budget of seconds is spent."""
        self._engine.use(setting)
        clock = time.perf_counter_ns
        search = self._engine.search
        elapsed = []
        gc.collect()
        gc.disable()
        end = clock() + budget_s * 1e9
        for query in self._queries:
            begun = clock()
            search(query, k)
            now = clock()
            elapsed.append((now - begun) / 1e3)
            if now > end:
                break
        gc.enable()
        return elapsed

    def batch(self, setting: dict[str, Any], count: int, k: int, threads: int) -> float:
        """Seconds that the first `count` queries take as one batch."""
        self._engine.use(setting)
        queries = self._queries[:count]
        gc.collect()
        begun = time.perf_counter()
        self._engine.search_batch(queries, k, threads)
        return time.perf_counter() - begun


def main() -> None:
    session = Session(sys.argv[1])
    # Engines may print; the answers keep the pipe to themselves.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        request = json.loads(line)
        result = getattr(session, request.pop("command"))(**request)
        print(json.dumps(result), file=answers, flush=True)


if __name__ == "__main__":
    main()
