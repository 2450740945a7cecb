"""What a writer that is killed again and again does: steps that depend on nothing but their number.

After step n an index holds what `contents(n)` says, in that order, however often it was killed.
"""

from __future__ import annotations

import random
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from indexer.index_writer import IndexWriter

WIDTH = 8
MAX_WEIGHT = 4.0
# The document that says how many steps were done; it has no weights, so no search finds it.
MARKER = "steps done"
_IDS = 120
_PAYLOAD = 3000


class Step(NamedTuple):
    """Documents to be put under their ids, ids whose documents are changed, ids to delete."""

    puts: dict[str, tuple[tuple[float, ...], dict[str, Any]]]
    updates: dict[str, dict[str, Any]]
    deletes: list[str]


@cache
def step(number: int) -> Step:
    rng = random.Random(number)
    ids = [f"id-{at}" for at in range(_IDS)]
    puts = {
        name: (
            tuple(rng.choice((0.0, 0.5, 1.0, 3.3)) for _ in range(WIDTH)),
            {"put": number, "payload": rng.randbytes(rng.randrange(_PAYLOAD)).hex()},
        )
        for name in rng.sample(ids, rng.choice((1, 2, 40)))
    }
    rest = [name for name in ids if name not in puts]
    updates = {name: {"updated": number} for name in rng.sample(rest, 5)}
    deletes = [name for name in rng.sample(rest, 6) if name not in updates]
    return Step(puts, updates, deletes)


@cache
def contents(steps: int) -> dict[str, tuple[tuple[float, ...], dict[str, Any]]]:
    """Vectors and documents by id after so many steps, in the order in which ties are broken."""
    if not steps:
        return {}
    done = dict(contents(steps - 1))
    now = step(steps)
    for name, document in now.updates.items():
        if name in done:
            row = done.pop(name)[0]
            done[name] = (row, document)
    for name, stored in now.puts.items():
        done.pop(name, None)
        done[name] = stored
    for name in now.deletes:
        done.pop(name, None)
    done.pop(MARKER, None)
    done[MARKER] = ((0.0,) * WIDTH, {"steps": steps})
    return done


def do_step(writer: IndexWriter, number: int) -> None:
    """Do a step, and commit it."""
    now = step(number)
    known = [name for name in now.updates if not writer.unknown([name])]
    writer.update_documents(known, [now.updates[name] for name in known])
    put(writer, now.puts)
    writer.delete(now.deletes)
    put(writer, {MARKER: ((0.0,) * WIDTH, {"steps": number})})
    writer.commit()


def put(writer: IndexWriter, puts: dict[str, tuple[tuple[float, ...], dict[str, Any]]]) -> None:
    rows = np.array([row for row, _ in puts.values()], np.float32).reshape(len(puts), WIDTH)
    writer.upsert(list(puts), csr_matrix(rows), [document for _, document in puts.values()])
