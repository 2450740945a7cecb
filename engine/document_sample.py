"""Documents of an index drawn at random."""

from __future__ import annotations

import random
from collections.abc import Iterator

from engine.results import Hit
from engine.search_engine import SearchEngine


def sample_documents(engine: SearchEngine, count: int, seed: int) -> list[Hit]:
    """Draw different live documents, each as likely as any other; all where there are no more.

    The same index and seed give the same documents in the same order. Rank and score are 0.

    Raises:
        IndexDamagedError: a document is not what was written.
    """
    with engine._current.use() as commit:
        snapshot = commit.snapshot
        total = int(snapshot.first_documents[-1])
        drawn: list[Hit] = []
        for document in _shuffled(total, random.Random(seed)):
            if len(drawn) == count:
                break
            segment, local = snapshot.locate(document)
            if not segment.is_deleted(local):
                drawn.append(commit.hit(0, document, 0.0, None))
        return drawn


def _shuffled(total: int, draws: random.Random) -> Iterator[int]:
    """Numbers below `total` in a random order, without a list of all of them (Fisher and Yates)."""
    moved: dict[int, int] = {}
    for left in range(total, 0, -1):
        at = draws.randrange(left)
        yield moved.get(at, at)
        moved[at] = moved.get(left - 1, left - 1)
