"""Every way of scoring, against exhaustive scoring, over every way of storing postings."""

from __future__ import annotations

import contextlib
import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from engine.retrieval import parameters
from engine.retrieval.scorer import ScoredDocuments, Scorer
from engine.retrieval.tile_maximum import MOST_ROWS, TILE
from engine.storage.manifest import Quantization
from engine.storage.segment_content import SegmentContent
from engine.storage.snapshot import Snapshot
from engine.storage.store_writer import StoreWriter
from indexer import inversion
from indexer.inversion import invert
from tests.engine.retrieval.exhaustive import (
    Query,
    assert_float_order,
    float_scores,
    is_close,
    score_tolerance,
    whole_scores,
    whole_top_k,
)

Search = Callable[[Scorer, Query, int], ScoredDocuments]


def _single(scorer: Scorer, query: Query, k: int) -> ScoredDocuments:
    return scorer.search(query.terms, query.weights, k)


def _batch(scorer: Scorer, query: Query, k: int) -> ScoredDocuments:
    other = (query.terms[:1], query.weights[:1])
    return scorer.search_batch([other, (query.terms, query.weights), other], k)[1]


def _batch_on_two_threads(scorer: Scorer, query: Query, k: int) -> ScoredDocuments:
    return scorer.search_batch([(query.terms, query.weights)] * 3, k, threads=2)[2]


SEARCHES = {"single": _single, "batch": _batch, "threads": _batch_on_two_threads}


def write(
    path: Path,
    matrix: npt.NDArray[np.float64],
    bounds: list[int],
    live: npt.NDArray[np.bool_],
    max_weight: float,
) -> None:
    """Write rows `bounds[i]:bounds[i + 1]` as one segment each, and delete those not live."""
    width = matrix.shape[1]
    with StoreWriter(path, vocabulary_size=width, max_weight=max_weight, query_side=None) as writer:
        for begin, end in itertools.pairwise(bounds):
            if begin == end:
                writer.commit()
                continue
            rows = csr_matrix(matrix[begin:end].astype(np.float32))
            block = invert(
                rows.indptr.astype(np.int64), rows.indices, rows.data, width,
                Quantization(max_weight),
            )  # fmt: skip
            ids = [str(at).encode() for at in range(begin, end)]
            number = writer.manifest.next_segment
            deleted = {number: ~live[begin:end]} if not live[begin:end].all() else None
            writer.commit([SegmentContent([block], ids)], deleted)


@st.composite
def collections(draw: st.DrawFn) -> tuple[npt.NDArray[np.float64], float]:
    """Small collections with what is awkward: empty documents, equal ones, equal weights."""
    documents = draw(st.integers(0, 40))
    width = draw(st.integers(1, 12))
    max_weight = draw(st.sampled_from([0.25, 1.0, 8.0, 1024.0]))
    levels = [0.0, 0.0, 1e-9, 0.1, 0.25, 0.5, 0.50001, 0.99, 1.0]
    cells = draw(
        st.lists(
            st.one_of(st.sampled_from(levels), st.floats(0, 1, width=32)),
            min_size=documents * width,
            max_size=documents * width,
        )
    )
    matrix = np.array(cells, np.float64).reshape(documents, width) * max_weight
    if documents > 2 and draw(st.booleans()):
        matrix[-1] = matrix[0]
        matrix[1] = 0
    return matrix, max_weight


query_weights = st.one_of(
    st.sampled_from([0.0, 1.0, 1.0, 2.0, 1e-6]),
    st.floats(0.001, 100),
    st.floats(-3, 3).map(lambda weight: weight if abs(weight) > 1e-100 else 0.0),
)


@pytest.fixture(params=["lists", "dense rows", "mixed"])
def storage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """How postings are stored: all in lists, all in dense rows, or by frequency."""
    share = {"lists": 2.0, "dense rows": 0.0, "mixed": 0.3}[request.param]
    monkeypatch.setattr(inversion, "DENSE_SHARE", share)
    monkeypatch.setattr(inversion, "MIN_DENSE_DOCUMENTS", 0)
    yield request.param


@pytest.fixture(
    params=[parameters.BY_COST, parameters.ALWAYS_SWEEP, parameters.ALWAYS_WALK],
    ids=["by cost", "sweep", "walk"],
)
def policy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """How candidates are taken out of a block: as the cost says, or one way wherever it can."""
    monkeypatch.setattr(Scorer, "_policy", request.param)
    yield request.param


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_equals_exhaustive_scoring(
    storage: str, policy: int, search: Search, data: st.DataObject
) -> None:
    matrix, max_weight = data.draw(collections())
    documents, width = matrix.shape
    cuts = data.draw(st.lists(st.integers(0, documents), max_size=3))
    live = np.array(
        data.draw(st.lists(st.sampled_from([True, True, False]), min_size=documents,
                           max_size=documents)), np.bool_)  # fmt: skip
    terms = np.array(
        sorted(data.draw(st.sets(st.integers(0, width - 1), max_size=width))), np.int32
    )
    weights = np.array(
        data.draw(st.lists(query_weights, min_size=len(terms), max_size=len(terms))), np.float64
    )
    query = Query(terms, weights)
    k = data.draw(st.sampled_from([1, 2, 3, 10, documents + 5]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        write(path, matrix, sorted([0, *cuts, documents]), live, max_weight)
        snapshot = Snapshot(path)
        try:
            scorer = Scorer(snapshot)
            step = snapshot.manifest.quantization.step
            found = search(scorer, query, k)
            expected, unit = whole_scores(matrix, query, step)
            top = whole_top_k(expected, live, k)
            assert found.documents.tolist() == top
            assert all(
                is_close(score, expected[at] * unit)
                for at, score in zip(top, found.scores.tolist(), strict=True)
            )
            exact = float_scores(matrix, query)
            tolerance = score_tolerance(query, step)
            for at, score in zip(top, found.scores.tolist(), strict=True):
                assert abs(score - exact[at]) <= tolerance
                _, contributions = scorer.contributions(at, terms, weights)
                assert is_close(contributions.sum(), score)
            assert_float_order(top, exact, live, k, tolerance)
        finally:
            snapshot.close()


def _large(
    rng: np.random.Generator, documents: int, width: int
) -> tuple[csr_matrix, npt.NDArray[np.int64]]:
    """A collection whose first terms are in most documents and whose last are rare."""
    shares = 0.8 / np.arange(1, width + 1) ** 0.7
    rows, columns = [], []
    for term, share in enumerate(shares):
        where = np.flatnonzero(rng.random(documents) < share)
        rows.append(where)
        columns.append(np.full(len(where), term))
    row, column = np.concatenate(rows), np.concatenate(columns)
    data = np.minimum(rng.gamma(2.0, 0.4, len(row)), 7.9).astype(np.float32)
    matrix = csr_matrix((data, (row, column)), shape=(documents, width))
    matrix.sort_indices()
    return matrix, np.asarray(matrix.getnnz(axis=0))


@pytest.mark.parametrize("k", [1, 10, 100, 700, 80_000])
def test_large_blocks_equal_exhaustive_scoring(tmp_path: Path, policy: int, k: int) -> None:
    """Two blocks of one segment, with dense rows and lists, full chunks and a ragged end."""
    rng = np.random.default_rng(7)
    documents, width, block_size = 70_001, 60, 65_536
    matrix, _ = _large(rng, documents, width)
    # Equal documents far apart, one on each side of the border between blocks, must tie.
    path = tmp_path / "index"
    quantization = Quantization(8.0)
    blocks = []
    for begin in range(0, documents, block_size):
        rows = matrix[begin : begin + block_size]
        blocks.append(
            invert(rows.indptr.astype(np.int64), rows.indices, rows.data, width, quantization)
        )
    with StoreWriter(path, vocabulary_size=width, max_weight=8.0, query_side=None) as writer:
        ids = [str(at).encode() for at in range(documents)]
        mask = np.zeros(documents, np.bool_)
        mask[rng.choice(documents, 500, replace=False)] = True
        writer.commit([SegmentContent(blocks, ids)], {0: mask})
    snapshot = Snapshot(path)
    scorer = Scorer(snapshot)
    by_term = matrix.tocsc()
    # The first ten are in dense rows: among the last queries are ones with more rows than a sweep
    # adds in passing.
    for terms_count, of in (
        (1, 60),
        (2, 60),
        (3, 60),
        (6, 60),
        (12, 60),
        (5, 10),
        (9, 10),
        (9, 12),
    ):
        terms = np.sort(rng.choice(of, terms_count, replace=False)).astype(np.int32)
        weights = rng.gamma(2.0, 1.0, terms_count)
        scale = (2**31 - 2**18) / float(np.abs(weights).sum())
        expected = np.zeros(documents, np.int64)
        for term, weight in zip(terms, weights, strict=True):
            impacts = np.zeros(documents, np.int64)
            column = slice(by_term.indptr[term], by_term.indptr[term + 1])
            stored = np.rint(by_term.data[column].astype(np.float64) / quantization.step)
            impacts[by_term.indices[column]] = np.clip(stored, 1, 65535).astype(np.int64)
            expected += (int(np.rint(weight * scale)) * impacts + 65535) >> 16
        expected[mask] = 0
        order = np.lexsort((np.arange(documents), -expected))
        top = order[expected[order] > 0][:k]
        found = scorer.search(terms, weights, k)
        assert found.documents.tolist() == top.tolist()
    snapshot.close()


@pytest.mark.parametrize("list_count", [0, 1])
@pytest.mark.parametrize("row_count", range(1, MOST_ROWS + 4))
def test_hits_by_low_bytes_alone_are_found_in_later_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row_count: int, list_count: int
) -> None:
    """A sweep passes over tiles by the high bytes of rows: what these leave out must be allowed.

    All high bytes of the outliers are equal, and each block has better low bytes than the one
    before, so that each brings new hits whose high bytes do not reach the limit.
    """
    monkeypatch.setattr(inversion, "MIN_DENSE_DOCUMENTS", 0)
    monkeypatch.setattr(Scorer, "_policy", parameters.ALWAYS_SWEEP)
    rng = np.random.default_rng(0)
    sizes = [TILE, 2 * TILE, TILE + 1, 3000, TILE]
    bounds = [0, *itertools.accumulate(sizes)]
    width = row_count + list_count
    impacts = np.full((bounds[-1], width), 40 << 8 | 3)
    impacts[:, row_count:] = 0
    for number, (begin, end) in enumerate(itertools.pairwise(bounds)):
        outliers = rng.choice(np.arange(begin, end), 5, replace=False)
        impacts[outliers] = 200 << 8 | rng.integers(51 * number, 51 * number + 52, (5, width))
    step = Quantization(8.0).step
    matrix, live = impacts * step, np.ones(len(impacts), np.bool_)
    write(tmp_path, matrix, bounds, live, 8.0)
    with contextlib.closing(Snapshot(tmp_path)) as snapshot:
        scorer = Scorer(snapshot)
        terms = np.arange(width, dtype=np.int32)
        for weights in (np.ones(width), rng.gamma(2.0, 1.0, width)):
            expected, _ = whole_scores(matrix, Query(terms, weights), step)
            for k in (1, 2, 4, 5):
                found = scorer.search(terms, weights, k)
                assert found.documents.tolist() == whole_top_k(expected, live, k)


def test_equal_documents_tie_across_storage_forms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same document in a list, in a dense row and in another segment has one score."""
    monkeypatch.setattr(inversion, "MIN_DENSE_DOCUMENTS", 0)
    row = np.array([0.3, 1.7, 0.9, 2.3, 0.011])
    matrix = np.tile(row, (6, 1))
    path = tmp_path / "index"
    live = np.ones(6, np.bool_)
    monkeypatch.setattr(inversion, "DENSE_SHARE", 0.0)
    write(path, matrix[:3], [0, 3], live[:3], 8.0)
    monkeypatch.setattr(inversion, "DENSE_SHARE", 2.0)
    write(path, matrix[3:], [0, 2, 3], live[3:], 8.0)
    snapshot = Snapshot(path)
    query_terms = np.arange(5, dtype=np.int32)
    found = Scorer(snapshot).search(query_terms, np.array([0.7, 1.3, -0.2, 0.9, 2.2]), 10)
    assert found.documents.tolist() == [0, 1, 2, 3, 4, 5]
    assert len(set(found.scores.tolist())) == 1
    snapshot.close()


def test_a_search_that_found_no_memory_leaves_no_address_of_what_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, np.ones((300, 200)), [0, 300], np.ones(300, np.bool_), 1.0)
    with contextlib.closing(Snapshot(tmp_path)) as snapshot:
        scorer = Scorer(snapshot)
        terms, weights = np.arange(200, dtype=np.int32), np.ones(200)
        scorer.search(terms[:1], weights[:1], 1)
        workspace = scorer._workspace()
        for room in range(4):
            allocated: list[None] = []

            def empty(*arguments: Any, limit: int = room, done: list[None] = allocated) -> Any:
                if len(done) == limit:
                    raise MemoryError
                done.append(None)
                return np.zeros(*arguments)

            no_memory = SimpleNamespace(
                empty=empty, int32=np.int32, int64=np.int64, float64=np.float64
            )
            with monkeypatch.context() as patch:
                patch.setattr("engine.retrieval.scorer.np", no_memory)
                with pytest.raises(MemoryError):
                    workspace.hold(terms, weights, 300)
            # No more than half of what there was no memory for.
            found = scorer.search(terms[:100], weights[:100], 150)
            assert found.documents.tolist() == list(range(150))
            arrays: dict[int, npt.NDArray[Any]] = {
                parameters.TERMS: workspace._terms,
                parameters.WEIGHTS: workspace._weights,
                parameters.DOCUMENTS: workspace.documents,
                parameters.SCORES: workspace.scores,
            }
            for name, array in arrays.items():
                assert workspace.parameters[name] == array.__array_interface__["data"][0]
            scorer._local.workspace = workspace = type(workspace)(scorer._table, 0)


@pytest.mark.parametrize(("threads", "count"), [(2, 1), (2, 63), (2, 300), (3, 97), (7, 5)])
def test_pieces_of_a_batch_come_back_in_order(tmp_path: Path, threads: int, count: int) -> None:
    random = np.random.default_rng(count)
    matrix = random.gamma(2.0, 0.5, (80, 40)) * (random.random((80, 40)) < 0.3)
    write(tmp_path, matrix, [0, 80], np.ones(80, np.bool_), float(np.ceil(matrix.max())))
    queries = [
        (np.array([at % 40, 40 + at % 7 - 8], np.int32), np.array([1.0, 0.5]))
        for at in range(count)
    ]
    with contextlib.closing(Snapshot(tmp_path)) as snapshot:
        scorer = Scorer(snapshot)
        together = scorer.search_batch(queries, 5, threads)
        assert len(together) == count
        for query, found in zip(queries, together, strict=True):
            alone = scorer.search(*query, 5)
            assert found.documents.tolist() == alone.documents.tolist()
            assert found.scores.tolist() == alone.scores.tolist()
