"""Blocks ahead: whatever is prepared on another thread, the index is the same to the last byte."""

from __future__ import annotations

import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.sparse import random as random_sparse

import indexer.block_preparation
import indexer.inversion
import indexer.uncommitted
from engine import SearchEngine
from engine.errors import IndexWriteError, UsageError
from engine.storage.environment import Environment
from engine.storage.verification import verify_index
from indexer import IndexWriter, write_index
from indexer.block_preparation import rows_between
from indexer.checked_input import checked_vectors

WIDTH = 50
DOCUMENTS = 3_500
BLOCK = 1_024


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexer.block_preparation, "MAX_BLOCK_DOCUMENTS", BLOCK)
    monkeypatch.setattr(indexer.uncommitted, "MAX_BLOCK_DOCUMENTS", BLOCK)
    # Merging would make one segment of all.
    monkeypatch.setattr(indexer.uncommitted, "choose_merge", lambda _: [])


def collection(seed: int = 3) -> tuple[csr_matrix, list[str]]:
    rng = np.random.default_rng(seed)
    vectors = random_sparse(DOCUMENTS, WIDTH, density=0.15, format="csr", rng=rng)
    return csr_matrix(vectors.astype(np.float32)), [f"p{at}" for at in range(DOCUMENTS)]


def file_of(path: Path, threads: int | None, ids: list[str], *, before: int = 0) -> bytes:
    """The bytes of an index of two upserts, `before` documents and then the others."""
    vectors, _ = collection()
    with IndexWriter(path, vocabulary_size=WIDTH, max_weight=1.0, threads=threads) as writer:
        writer.upsert(ids[:before], vectors[:before])
        writer.upsert(ids[before:], vectors[before:])
    assert verify_index(path, deep=True).is_sound
    return (path / "data.mdb").read_bytes()


@pytest.mark.parametrize("before", [0, 1, BLOCK, 1_500])
def test_any_number_of_threads_writes_the_same_file(tmp_path: Path, before: int) -> None:
    _, ids = collection()
    files = {
        file_of(tmp_path / f"{threads}", threads, ids, before=before) for threads in (1, 2, 5, None)
    }
    assert len(files) == 1


def test_equal_ids_inside_blocks_and_across_them(tmp_path: Path) -> None:
    vectors, ids = collection()
    ids[5] = ids[700]
    ids[BLOCK + 3] = ids[BLOCK + 4]
    ids[20] = ids[3 * BLOCK + 1]
    assert file_of(tmp_path / "1", 1, ids) == file_of(tmp_path / "2", 2, ids)
    last = {identifier: at for at, identifier in enumerate(ids)}
    with SearchEngine.open(tmp_path / "2") as engine:
        assert len(engine) == len(last)
        for term in range(0, WIDTH, 7):
            column = vectors[:, term].toarray()[:, 0]
            expected = {one for one, at in last.items() if column[at]}
            hits = engine.search_vector([term], [1.0], k=DOCUMENTS)
            assert {hit.id for hit in hits} == expected


def test_the_next_block_is_prepared_on_another_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = threading.active_count()
    original = indexer.inversion.invert
    threads: list[bool] = []

    def watched(*arguments: object) -> object:
        threads.append(threading.current_thread() is threading.main_thread())
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(indexer.inversion, "invert", watched)
    vectors, ids = collection()
    write_index(tmp_path / "two", vectors, ids, threads=2)
    # The first block has nothing to wait for, and the last one is not full. Which of two that are
    # inverted at the same time begins first is chance.
    assert sorted(threads) == [False, False, True, True]
    threads.clear()
    write_index(tmp_path / "one", vectors, ids, threads=1)
    assert threads == [True] * 4
    assert threading.active_count() == before


def test_a_commit_that_fails_keeps_its_block_and_can_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors, ids = collection()
    before = threading.active_count()
    given = vectors.copy()
    commit = Environment.commit
    calls = 0

    def failing(self: Environment, *arguments: object) -> int:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise IndexWriteError("no space")
        return commit(self, *arguments)  # type: ignore[arg-type]

    writer = IndexWriter(tmp_path / "index", vocabulary_size=WIDTH, max_weight=1.0, threads=2)
    with writer:
        with monkeypatch.context() as patch:
            patch.setattr(Environment, "commit", failing)
            with pytest.raises(IndexWriteError):
                writer.upsert(ids, given)
        # The caller may do as he likes with his matrix, although a block of it still waits.
        given.data[:] = 0
        given.indices[:] = 0
        writer.commit()
        assert len(writer) == 2 * BLOCK
    assert threading.active_count() == before
    write_index(
        tmp_path / "expected", vectors[: 2 * BLOCK], ids[: 2 * BLOCK], max_weight=1.0, threads=1
    )
    files = [(tmp_path / name / "data.mdb").read_bytes() for name in ("index", "expected")]
    assert files[0] == files[1]


def test_what_waits_does_not_depend_on_the_matrix_any_more(tmp_path: Path) -> None:
    vectors, ids = collection()
    given = vectors[:10].copy()
    with IndexWriter(tmp_path / "index", vocabulary_size=WIDTH) as writer:
        writer.upsert(ids[:10], given)
        given.data[:] = 0
    with SearchEngine.open(tmp_path / "index") as engine:
        hits = engine.search_vector(np.arange(WIDTH), np.ones(WIDTH))
        assert len(hits) == np.count_nonzero(np.diff(vectors[:10].indptr))


def test_rows_between_are_views() -> None:
    vectors, _ = collection()
    rows = rows_between(vectors, 100, 300)
    assert np.shares_memory(rows.data, vectors.data)
    assert np.shares_memory(rows.indices, vectors.indices)
    assert (rows != vectors[100:300]).nnz == 0
    assert rows_between(vectors, 100, 100).shape == (0, WIDTH)


def test_less_than_one_thread_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least 1, not 0"):
        IndexWriter(tmp_path / "index", vocabulary_size=WIDTH, threads=0)
    assert not (tmp_path / "index").exists()


def shuffled(vectors: csr_matrix) -> csr_matrix:
    """The same matrix, with the dimensions of a row in any order."""
    rows = np.repeat(np.arange(vectors.shape[0]), np.diff(vectors.indptr))
    order = np.argsort(rows + np.random.default_rng(4).random(vectors.nnz))
    parts = (vectors.data[order], vectors.indices[order], vectors.indptr)
    return csr_matrix(parts, shape=vectors.shape)


def test_dimensions_in_any_order_are_neither_copied_nor_changed(tmp_path: Path) -> None:
    vectors, ids = collection()
    given = shuffled(vectors)
    assert not given.has_sorted_indices
    before = given.indices.copy()
    assert checked_vectors(ids, given, WIDTH, 1.0, saturate=False) is given
    write_index(tmp_path / "given", given, ids, max_weight=1.0)
    assert np.array_equal(given.indices, before)
    write_index(tmp_path / "sorted", vectors, ids, max_weight=1.0)
    files = [(tmp_path / name / "data.mdb").read_bytes() for name in ("given", "sorted")]
    assert files[0] == files[1]


def test_a_dimension_given_twice_counts_as_the_sum() -> None:
    parts = (np.full(5, 0.25, np.float32), np.array([3, 1, 2, 0, 2]), np.array([0, 2, 5]))
    given = csr_matrix(parts, shape=(2, 4))
    checked = checked_vectors(["a", "b"], given, 4, 1.0, saturate=False)
    assert checked.toarray().tolist() == [[0, 0.25, 0, 0.25], [0.25, 0, 0.5, 0]]
    assert given.nnz == 5
    with pytest.raises(UsageError, match=r"document 'b' has weight 0\.5 in dimension 2"):
        checked_vectors(["a", "b"], given, 4, 0.375, saturate=False)


@pytest.mark.parametrize("threads", [1, 2])
def test_memory_is_that_of_two_blocks(tmp_path: Path, threads: int) -> None:
    width, blocks = 1_000, 12
    rng = np.random.default_rng(6)
    shape = (blocks * BLOCK, width)
    vectors = csr_matrix(random_sparse(*shape, density=0.2, rng=rng, dtype=np.float32))
    ids = [f"p{at}" for at in range(blocks * BLOCK)]
    # What is imported is not to be counted.
    write_index(tmp_path / "first", vectors[:BLOCK], ids[:BLOCK], max_weight=1.0)
    tracemalloc.start()
    write_index(tmp_path / "index", vectors, ids, max_weight=1.0, threads=threads)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # A block of rows takes 8 bytes a posting, its impacts 2, and inverted, dense rows and sealed
    # values about 4 each. A copy of the matrix would be 24 times the bytes of a block.
    assert peak < 16 * (4 * vectors.nnz // blocks)
