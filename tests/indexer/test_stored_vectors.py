"""Vectors that are read back out of blocks are those that went in, whatever is asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix, random_array

import indexer.inversion
from engine.storage.snapshot import Snapshot
from indexer.stored_vectors import StoredVectors
from indexer.vector_index import write_index

COUNT, WIDTH = 90, 40
STEP = 2.0**-15  # of an index whose largest weight is 2


@pytest.fixture(scope="module")
def vectors() -> csr_matrix:
    """Weights that impacts hold exactly, some terms frequent enough for dense rows."""
    rng = np.random.default_rng(4)
    rows = csr_matrix(random_array((COUNT, WIDTH), density=0.15, rng=rng, dtype=np.float32))
    rows.data = np.ceil(rows.data * 2 / STEP / 2).astype(np.float32) * np.float32(STEP)
    return rows


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, vectors: csr_matrix) -> Path:
    """Three segments of 40, 40 and 10 documents."""
    path = tmp_path_factory.mktemp("stored") / "index"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(indexer.inversion, "MIN_DENSE_DOCUMENTS", 30)
        patch.setattr("indexer.uncommitted.choose_merge", lambda _: ())
        for begin in (0, 40, 80):
            ids = [f"p{at}" for at in range(begin, min(begin + 40, COUNT))]
            write_index(path, vectors[begin : begin + 40], ids, max_weight=2)
    return path


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(asked=st.lists(st.integers(0, COUNT - 1), max_size=60))
def test_read_what_was_written(path: Path, vectors: csr_matrix, asked: list[int]) -> None:
    snapshot = Snapshot(path)
    try:
        assert len(snapshot.segments) == 3
        places = [snapshot.locate(at) for at in asked]
        manifest = snapshot.manifest
        read = StoredVectors().read(places, manifest.vocabulary_size, manifest.quantization)
        assert read.shape == (len(asked), WIDTH)
        assert read.has_canonical_format
        assert read.dtype == np.float32
        assert np.array_equal(read.toarray(), vectors[asked].toarray())
    finally:
        snapshot.close()
