from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from benchmarks.collections import (
    CHUNK_DOCUMENTS,
    CollectionShape,
    SyntheticCollection,
    open_rows,
)


@pytest.fixture(scope="module")
def source() -> SyntheticCollection:
    return SyntheticCollection(CollectionShape())


def test_same_shape_gives_same_documents_and_queries(source: SyntheticCollection) -> None:
    again = SyntheticCollection(CollectionShape())
    for one, other in zip(source.documents(500), again.documents(500), strict=True):
        np.testing.assert_array_equal(one, other)
    for query, same in zip(source.queries(50, 6), again.queries(50, 6), strict=True):
        np.testing.assert_array_equal(query[0], same[0])
        np.testing.assert_array_equal(query[1], same[1])


def test_another_seed_gives_other_documents(source: SyntheticCollection) -> None:
    other = SyntheticCollection(CollectionShape(seed=1))
    assert not np.array_equal(source.documents(10).indices, other.documents(10).indices)


def test_small_collection_is_the_beginning_of_a_large_one(source: SyntheticCollection) -> None:
    large, small = source.documents(CHUNK_DOCUMENTS + 700), source.documents(CHUNK_DOCUMENTS + 20)
    beginning = large.rows(0, small.documents)
    np.testing.assert_array_equal(beginning.indptr, small.indptr)
    np.testing.assert_array_equal(beginning.indices, small.indices)
    np.testing.assert_array_equal(beginning.data, small.data)


def test_chunks_are_bounded_and_add_up(source: SyntheticCollection) -> None:
    sizes = [chunk.documents for chunk in source.chunks(CHUNK_DOCUMENTS + 5)]
    assert sizes == [CHUNK_DOCUMENTS, 5]
    assert source.documents(0).documents == 0


def test_rows_are_valid_csr(source: SyntheticCollection) -> None:
    rows = source.documents(1_000)
    assert (rows.indptr.dtype, rows.indices.dtype, rows.data.dtype) == (
        np.dtype(np.int64),
        np.dtype(np.int32),
        np.dtype(np.float32),
    )
    assert rows.indptr[0] == 0
    assert rows.indptr[-1] == len(rows.indices) == len(rows.data)
    assert rows.indices.min() >= 0
    assert rows.indices.max() < source.shape.vocabulary_size
    for low, high in itertools.pairwise(rows.indptr):
        assert (np.diff(rows.indices[low:high]) > 0).all()
    assert rows.data.min() > 0.0
    assert rows.data.max() <= 3.0


@pytest.mark.parametrize("active_dimensions", [150, 800])
def test_statistics_are_those_of_a_learned_sparse_model(active_dimensions: int) -> None:
    source = SyntheticCollection(CollectionShape(active_dimensions))
    rows = source.documents(CHUNK_DOCUMENTS)
    lengths = np.diff(rows.indptr)
    assert lengths.mean() == pytest.approx(active_dimensions, rel=0.05)
    assert lengths.std() > 0.3 * active_dimensions
    shares = np.bincount(rows.indices, minlength=30_522) / rows.documents
    assert 0.2 < shares.max() < 0.6
    if active_dimensions == 150:
        assert 10 < np.count_nonzero(shares > 0.1) < 200
    # Zipf: the thousandth term is several times rarer than the tenth (flatter in wide documents).
    ranked = -np.sort(-shares)
    assert ranked[1_000] < ranked[10] / 4
    assert rows.data.mean() == pytest.approx(0.5, rel=0.05)


def test_documents_share_topics(source: SyntheticCollection) -> None:
    rows = source.documents(CHUNK_DOCUMENTS)
    shares = np.bincount(rows.indices, minlength=30_522) / rows.documents
    rare = shares < 0.02
    first = np.zeros(30_522, bool)
    first[rows.rows(0, 1).indices] = True
    overlap = np.add.reduceat((first & rare)[rows.indices], rows.indptr[:-1])[1:]
    # Were terms independent, the most similar of 4,096 documents would share far fewer rare ones.
    independent = float(shares[first & rare].sum())
    assert overlap.max() > 5 * independent


@pytest.mark.parametrize("mean_terms", [6, 40])
def test_queries(source: SyntheticCollection, mean_terms: int) -> None:
    queries = source.queries(400, mean_terms)
    assert np.mean([len(terms) for terms, _ in queries]) == pytest.approx(mean_terms, rel=0.1)
    for terms, weights in queries:
        assert (terms.dtype, weights.dtype) == (np.dtype(np.int32), np.dtype(np.float64))
        assert len(terms) > 0
        assert (np.diff(terms) > 0).all()
        np.testing.assert_array_equal(weights, source.static_weights[terms])
    rows = source.documents(CHUNK_DOCUMENTS)
    shares = np.bincount(rows.indices, minlength=30_522) / rows.documents
    asked = shares[np.concatenate([terms for terms, _ in queries])].mean()
    assert asked < shares[rows.indices].mean()


def test_rows_survive_saving(source: SyntheticCollection, tmp_path: Path) -> None:
    rows = source.documents(30)
    rows.save(tmp_path)
    for saved, original in zip(open_rows(tmp_path), rows, strict=True):
        np.testing.assert_array_equal(saved, original)
