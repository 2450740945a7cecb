"""An index of vectors of one's own, written in one call."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array, csr_matrix, random_array

from engine import IndexLockedError, ModelMismatchError, SearchEngine, UsageError
from indexer.index_writer import IndexWriter
from indexer.vector_index import write_index

VECTORS = csr_matrix(np.array([[1, 0, 0.5], [0, 2, 0], [1, 0, 0]], np.float32))


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "index"
    write_index(path, VECTORS, ["a", "b", "c"], [{"n": 1}, {"n": 2}, {"n": 3}])
    with SearchEngine.open(path) as engine:
        hits = engine.search_vector([0, 2], [1.0, 2.0])
        assert [(hit.id, hit.document) for hit in hits] == [("a", {"n": 1}), ("c", {"n": 3})]
        assert [hit.score for hit in hits] == pytest.approx([2.0, 1.0], abs=1e-3)


def test_adding_replaces_known_ids(tmp_path: Path) -> None:
    write_index(tmp_path, VECTORS, ["a", "b", "c"])
    write_index(tmp_path, VECTORS[:1], ["b"])
    with SearchEngine.open(tmp_path) as engine:
        assert len(engine) == 3
        assert [hit.id for hit in engine.search_vector([0], [1.0])] == ["a", "c", "b"]
        assert not len(engine.search_vector([1], [1.0]))
        assert engine.get("a") == {}


@pytest.mark.parametrize("kind", [csr_matrix, csr_array])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.bool_])
def test_kinds_of_matrices(tmp_path: Path, kind: type, dtype: type) -> None:
    vectors = kind(random_array((30, 8), density=0.4, rng=np.random.default_rng(1)) > 0.5)
    write_index(tmp_path, vectors.astype(dtype), [str(at) for at in range(30)])
    with SearchEngine.open(tmp_path) as engine:
        hits = engine.search_vector(np.arange(8), np.ones(8), k=30)
        sums = {hit.id: round(hit.score, 3) for hit in hits}
    totals = np.asarray(vectors.toarray().sum(axis=1)).tolist()
    assert sums == {str(at): total for at, total in enumerate(totals) if total}


def test_repeated_and_unordered_entries_are_summed_and_the_matrix_is_left_alone(
    tmp_path: Path,
) -> None:
    vectors = csr_matrix(
        (np.array([1, 0.5, 2], np.float32), np.array([2, 0, 2]), np.array([0, 3])), shape=(1, 3)
    )
    write_index(tmp_path, vectors, ["a"])
    assert vectors.indices.tolist() == [2, 0, 2]
    with SearchEngine.open(tmp_path) as engine:
        assert engine.search_vector([2], [1.0])[0].score == pytest.approx(3.0, abs=1e-3)


def test_no_documents_make_an_empty_index(tmp_path: Path) -> None:
    write_index(tmp_path, VECTORS[:0], [])
    with SearchEngine.open(tmp_path) as engine:
        assert len(engine) == 0
        assert not len(engine.search_vector([0], [1.0]))
    # Nothing was said of weights yet, so the first that come decide.
    write_index(tmp_path, VECTORS * 100, ["a", "b", "c"])
    with SearchEngine.open(tmp_path) as engine:
        assert engine.search_vector([1], [1.0])[0].score == pytest.approx(200, rel=1e-4)


def test_other_widths_are_refused(tmp_path: Path) -> None:
    write_index(tmp_path, VECTORS, ["a", "b", "c"])
    with pytest.raises(ModelMismatchError, match="vectors of 3 dimensions"):
        write_index(tmp_path, VECTORS[:, :2], ["a", "b", "c"])


def test_what_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="do not fit 2 ids"):
        write_index(tmp_path / "index", VECTORS, ["a", "b"])
    assert not (tmp_path / "index").exists()


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with IndexWriter(tmp_path, vocabulary_size=3), pytest.raises(IndexLockedError):
        write_index(tmp_path, VECTORS, ["a", "b", "c"])
