"""What queries answer after each step of `crash_steps`, published by who writes for who reads.

A file of JSON lines: `{"step": n, "answers": [...]}` before step n is committed, with a digest of
the exhaustive answer to each query, and `{"committed": n}` afterwards.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from engine import SearchEngine
from tests.engine.retrieval.exhaustive import Query, whole_scores, whole_top_k
from tests.indexer.crash_steps import MAX_WEIGHT, WIDTH, contents

_STEP = MAX_WEIGHT / 65536
# Terms, their weights, and how many hits.
QUERIES = [
    (Query(np.array(terms, np.int32), np.array(weights)), k)
    for terms, weights, k in (
        ([0], [1.0], 10),
        ([3, 5], [1.0, 2.5], 200),
        (list(range(WIDTH)), [1.0, 2.0, 0.5, 3.0, 1.0, 0.25, 1.5, 0.75], 25),
    )
]
# What one unit of the accumulator is worth in each query.
_UNITS = [whole_scores(np.zeros((0, WIDTH)), query, _STEP)[1] for query, _ in QUERIES]

Shown = list[tuple[str, int, Any]]


def digest(shown: Shown) -> str:
    return hashlib.blake2b(json.dumps(shown).encode(), digest_size=12).hexdigest()


def exhaustive(step: int) -> list[str]:
    """The answers after a step, by scoring all documents."""
    stored = contents(step)
    ids = list(stored)
    matrix = np.array([row for row, _ in stored.values()])
    live = np.ones(len(ids), np.bool_)
    found = []
    for query, k in QUERIES:
        scores, _ = whole_scores(matrix, query, _STEP)
        best = whole_top_k(scores, live, k)
        found.append(digest([(ids[at], scores[at], stored[ids[at]][1]) for at in best]))
    return found


def answer(engine: SearchEngine, number: int) -> str:
    """What an engine answers to a query, with scores in whole units."""
    query, k = QUERIES[number]
    hits = engine.search_vector(query.terms, query.weights, k=k)
    return digest([(hit.id, round(hit.score / _UNITS[number]), hit.document) for hit in hits])


class Publisher:
    """Writes the file."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")

    def announce(self, step: int) -> None:
        """A step that will be committed."""
        self._write({"step": step, "answers": exhaustive(step)})

    def acknowledge(self, step: int) -> None:
        """A step that is committed."""
        self._write({"committed": step})

    def close(self) -> None:
        self._file.close()

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


class Published:
    """Reads the file, as far as it has been written.

    Attributes:
        committed: the last step that is known to be committed.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._rest = b""
        self._steps: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
        self.committed = 0

    def read_on(self) -> None:
        lines = (self._rest + self._file.read()).split(b"\n")
        self._rest = lines.pop()
        for line in map(json.loads, lines):
            if "committed" in line:
                self.committed = line["committed"]
                continue
            for number, found in enumerate(line["answers"]):
                self._steps[number, found].append(line["step"])

    def first_step(self, number: int, found: str, least: int) -> int | None:
        """The first step from `least` on whose answer to a query is `found`; None for none."""
        self.read_on()
        return next((step for step in self._steps[number, found] if step >= least), None)

    def close(self) -> None:
        self._file.close()
