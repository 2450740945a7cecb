"""A worker: one engine in a process of its own, told by its parent when to build and measure.

Requests come on standard input and answers go to standard output, one JSON object a line.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from benchmarks.collections import CollectionShape, Query, SyntheticCollection, open_rows
from benchmarks.engines import CONTENDERS

_ROOT = Path(__file__).resolve().parent.parent
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class Worker:
    """The parent's end of a worker."""

    def __init__(self, engine: str) -> None:
        environment = {**os.environ, **dict.fromkeys(_ONE_THREAD, "1")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", engine],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
            env=environment,
        )

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
        self._process.communicate()

    def call(self, command: str, **arguments: Any) -> Any:
        """Have a method of the worker run, and wait for what it returns.

        Raises:
            RuntimeError: the worker died; its standard error says why.
        """
        pipe_in, pipe_out = self._process.stdin, self._process.stdout
        assert pipe_in is not None and pipe_out is not None
        try:
            print(json.dumps({"command": command, **arguments}), file=pipe_in, flush=True)
        except BrokenPipeError:
            raise RuntimeError(f"the worker died before {command!r}; see its error above") from None
        answer = pipe_out.readline()
        if not answer:
            raise RuntimeError(f"the worker died in {command!r}; see its error above")
        return json.loads(answer)


class _Session:
    """The worker's end: each public method answers one command."""

    def __init__(self, engine: str) -> None:
        self._engine = CONTENDERS[engine]()
        self._queries: list[Query] = []

    def prepare(self) -> dict[str, Any]:
        """Compile everything on a tiny collection, so that no later figure has it inside."""
        source = SyntheticCollection(CollectionShape(20, vocabulary_size=500, topics=5))
        with tempfile.TemporaryDirectory() as folder:
            # Memory-mapped as in `build`: Numba compiles again for read-only arrays.
            rows, index = Path(folder, "rows"), Path(folder, "index")
            rows.mkdir()
            index.mkdir()
            source.documents(2_000).save(rows)
            self._engine.build(open_rows(rows), 500, index)
            self._engine.load(index)
            for query in source.queries(20, 5):
                self._engine.search(query, 10)
        return {"version": self._engine.version()}

    def build(self, collection: str, vocabulary_size: int, folder: str) -> dict[str, Any]:
        """Build the index from memory-mapped rows, and weigh it."""
        rows = open_rows(Path(collection))
        begun = time.perf_counter()
        self._engine.build(rows, vocabulary_size, Path(folder))
        seconds = time.perf_counter() - begun
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
        return {"build_s": seconds, "disk_bytes": size}

    def load(self, folder: str, queries: str) -> dict[str, Any]:
        """Open the index, and read the queries."""
        with np.load(queries) as file:
            bounds, terms, weights = file["bounds"], file["terms"], file["weights"]
        self._queries = [
            (terms[low:high].copy(), weights[low:high].copy())
            for low, high in itertools.pairwise(bounds)
        ]
        begun = time.perf_counter()
        self._engine.load(Path(folder))
        return {"load_s": time.perf_counter() - begun}

    def answers(self, count: int, k: int) -> list[dict[str, Any]]:
        """Hits of the first `count` queries."""
        answers = []
        for query in self._queries[:count]:
            documents, scores = self._engine.search(query, k)
            answers.append(
                {
                    "documents": documents.tolist(),
                    "scores": scores.tolist(),
                    "score_error": self._engine.score_error(query),
                }
            )
        return answers

    def round(self, k: int) -> list[float]:
        """Microseconds of each query, in order."""
        clock = time.perf_counter_ns
        search = self._engine.search
        elapsed = []
        gc.collect()
        gc.disable()
        for query in self._queries:
            begun = clock()
            search(query, k)
            elapsed.append((clock() - begun) / 1e3)
        gc.enable()
        return elapsed


def main() -> None:
    session = _Session(sys.argv[1])
    # Engines may print; the answers keep the pipe to themselves.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        request = json.loads(line)
        result = getattr(session, request.pop("command"))(**request)
        print(json.dumps(result), file=answers, flush=True)


if __name__ == "__main__":
    main()
