"""A small index of vectors, which needs no model."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from engine.storage.store_writer import StoreWriter
from indexer.index_writer import IndexWriter

COUNT = 40
DELETED = 4


def write_small_index(folder: Path) -> Path:
    """Write `engine.index` into a folder; its first documents are deleted and not merged away."""
    rows = csr_matrix(np.random.default_rng(1).random((COUNT, 12), np.float32))
    path = folder / "engine.index"
    with IndexWriter(path, vocabulary_size=12, max_weight=1) as writer:
        for begin in range(0, COUNT, 5):
            ids = [f"id-{at}" for at in range(begin, begin + 5)]
            writer.add(ids, rows[begin : begin + 5], [{"n": at, "x": "y" * 999} for at in ids])
            writer.commit()
    # By hand, because a writer would merge what is so small.
    with StoreWriter(path) as store:
        first = store.manifest.segments[0]
        store.commit((), {first.number: np.arange(first.documents) < DELETED})
    return path


def damage_documents(path: Path) -> None:
    """Change a byte of a stored document, wherever it is."""
    data = (path / "data.mdb").read_bytes()
    (path / "data.mdb").write_bytes(data.replace(b'"n":"id-30"', b'"n":"id-3x"'))


def copied(path: Path, data: Path) -> Path:
    """Put a data file into a folder of its own."""
    path.mkdir()
    shutil.copy(data, path / "data.mdb")
    return path
