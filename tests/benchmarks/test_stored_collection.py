from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.collections import CHUNK_DOCUMENTS, CollectionShape, SyntheticCollection
from benchmarks.stored_collection import (
    QUERIES,
    count_queries,
    load_queries,
    save_queries,
    synthetic_collection,
    synthetic_name,
)

_SHAPE = CollectionShape(15, vocabulary_size=400, topics=5)


def test_streamed_collection_is_the_one_in_memory(tmp_path: Path) -> None:
    source = SyntheticCollection(_SHAPE)
    stored = synthetic_collection(CHUNK_DOCUMENTS + 30, _SHAPE, [3], tmp_path)
    rows, drawn = stored.rows(), source.documents(CHUNK_DOCUMENTS + 30)
    for one, other in zip(rows, drawn, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (rows.indices.dtype, rows.data.dtype) == (drawn.indices.dtype, drawn.data.dtype)
    np.testing.assert_array_equal(stored.static_weights(), source.static_weights)
    again = load_queries(stored.query_file("q3"))
    for query, same in zip(source.queries(QUERIES, 3), again, strict=True):
        np.testing.assert_array_equal(query[0], same[0])
        np.testing.assert_array_equal(query[1], same[1])


def test_small_collection_shares_the_file_of_a_large_one(tmp_path: Path) -> None:
    large = synthetic_collection(300, _SHAPE, [], tmp_path)
    small = synthetic_collection(100, _SHAPE, [3], tmp_path)
    assert small.folder == large.folder
    assert small.rows().documents == 100
    np.testing.assert_array_equal(
        small.rows().data, SyntheticCollection(_SHAPE).documents(100).data
    )
    other = synthetic_collection(100, CollectionShape(15, 400, 5, seed=1), [], tmp_path)
    assert other.folder != large.folder


def test_interrupted_drawing_leaves_no_collection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(SyntheticCollection, "chunks", fail)
        synthetic_collection(50, _SHAPE, [], tmp_path)
    assert synthetic_collection(50, _SHAPE, [], tmp_path).rows().documents == 50


def test_queries_are_read_by_number(tmp_path: Path) -> None:
    queries = [(np.array([at], np.int32), np.array([float(at)])) for at in range(5)]
    save_queries(queries, tmp_path / "some.npz")
    assert count_queries(tmp_path / "some.npz") == 5
    found = load_queries(tmp_path / "some.npz", 2, 4)
    assert [terms.tolist() for terms, _ in found] == [[2], [3]]
    assert [weights.tolist() for _, weights in found] == [[2.0], [3.0]]


@pytest.mark.parametrize(
    ("documents", "dimensions", "name"),
    [
        (10_000, 150, "s10k"),
        (5_000_000, 150, "s5m"),
        (100_000, 800, "w100k"),
        (1_234, 150, "s1234"),
    ],
)
def test_names(documents: int, dimensions: int, name: str) -> None:
    assert synthetic_name(documents, dimensions) == name
