"""Budgets: hits are real, scored exactly and in order; with all postings none is missed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.retrieval import scorer as scorer_module
from engine.retrieval.anytime import _impact_behind, choose_bands
from engine.retrieval.parameters import SHARE_ONE
from engine.retrieval.scorer import Rho, ScoredDocuments, Scorer
from engine.storage.block import BANDS
from engine.storage.snapshot import Snapshot
from tests.engine.retrieval.exhaustive import Query, is_close, whole_scores, whole_top_k
from tests.engine.retrieval.test_scorer import collections, policy, query_weights, storage, write

__all__ = ["policy", "storage"]  # fixtures

Search = Callable[[Scorer, Query, int, Rho], ScoredDocuments]


def _single(scorer: Scorer, query: Query, k: int, rho: Rho) -> ScoredDocuments:
    return scorer.search(query.terms, query.weights, k, rho)


def _batch(scorer: Scorer, query: Query, k: int, rho: Rho) -> ScoredDocuments:
    other = (query.terms[:1], query.weights[:1])
    return scorer.search_batch([other, (query.terms, query.weights)], k, threads=2, rho=rho)[1]


@pytest.mark.parametrize("search", [_single, _batch])
@pytest.mark.usefixtures("storage", "policy")
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_hits_under_a_budget(search: Search, data: st.DataObject) -> None:
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
    k = data.draw(st.sampled_from([1, 2, 10, documents + 5]))
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        # So few candidates that some documents must be missed.
        patch.setattr(scorer_module, "_LEAST_CANDIDATES", 1)
        path = Path(folder) / "index"
        write(path, matrix, sorted([0, *cuts, documents]), live, max_weight)
        snapshot = Snapshot(path)
        try:
            scorer = Scorer(snapshot)
            scores, unit = whole_scores(matrix, query, snapshot.manifest.quantization.step)
            best = whole_top_k(scores, live, documents)
            rho = data.draw(st.one_of(st.integers(1, 300), st.floats(0.01, 1.0)))
            found = search(scorer, query, k, rho)
            hits = found.documents.tolist()
            assert len(hits) <= k
            ranks = [best.index(hit) for hit in hits]
            assert ranks == sorted(set(ranks))
            for hit, score in zip(hits, found.scores.tolist(), strict=True):
                assert is_close(score, scores[hit] * unit)
            for everything in (1.0, 10**6, 10**30):
                found = search(scorer, query, k, everything)
                assert found.documents.tolist() == best[:k]
        finally:
            snapshot.close()


@settings(deadline=None)
@given(st.data())
def test_bands_are_read_by_contribution_until_the_budget_is_spent(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 6))
    sizes = data.draw(
        st.lists(
            st.lists(st.integers(0, 50), min_size=BANDS, max_size=BANDS),
            min_size=count, max_size=count,
        )
    )  # fmt: skip
    largest = data.draw(st.lists(st.integers(1, 65535), min_size=count, max_size=count))
    multipliers = np.array(
        data.draw(st.lists(st.integers(-(2**31) + 1, 2**31 - 1), min_size=count, max_size=count)),
        np.int64,
    )
    known = [
        np.array([top, *np.cumsum(bands)], np.int64)
        for top, bands in zip(largest, sizes, strict=True)
    ]
    totals = np.array([each.__array_interface__["data"][0] for each in known], np.int64)
    terms = np.arange(count, dtype=np.int32)
    budget = data.draw(st.integers(0, 400))
    cuts = np.empty(count, np.int64)
    choose_bands(totals, terms, multipliers, budget, 0, cuts)
    read = sum(int(known[term][cut]) if cut else 0 for term, cut in enumerate(cuts.tolist()))

    def bound(term: int, band: int) -> int:
        return abs(int(multipliers[term])) * largest[term] * (BANDS - band)

    is_read = [bound(term, band) for term in range(count) for band in range(cuts[term])]
    is_left = [
        bound(term, band)
        for term in range(count)
        for band in range(cuts[term], BANDS)
        if multipliers[term]
    ]
    # Bounds are compared in whole 16ths of a contribution.
    assert not is_read or not is_left or min(is_read) + BANDS > max(is_left)
    assert read <= budget or sum(1 for each in cuts if each) == sum(
        1 for term in range(count) if bound(term, 0) == max(bound(at, 0) for at in range(count))
    )
    choose_bands(totals, terms, multipliers, -1, SHARE_ONE, cuts)
    assert all(
        int(known[term][cuts[term]] if cuts[term] else 0) == int(known[term][BANDS])
        for term in range(count)
        if multipliers[term]
    )


@pytest.mark.parametrize("is_clustered", [False, True])
@settings(deadline=None)
@given(data=st.data())
def test_the_impact_of_a_document_is_found_in_the_bands_left(
    is_clustered: bool, data: st.DataObject
) -> None:
    """In short lists and long ones, with documents that lie evenly and ones that do not."""
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    documents = data.draw(st.sampled_from([128, 9_984, 65_536]))
    count = min(data.draw(st.sampled_from([1, 40, 1_000, 3_000, 20_000])), documents)
    first = random.integers(0, documents - count + 1) if is_clustered else 0
    pool = np.arange(first, first + count) if is_clustered else np.arange(documents)
    where = random.choice(pool, count, replace=False)
    impacts = np.minimum(random.exponential(3_000, count).astype(np.int64) + 1, 65_535)
    bands = impacts * BANDS // (impacts.max() + 1)
    order = np.lexsort((where, -bands))
    postings = (impacts[order] << 16 | where[order]).astype(np.uint32)
    ends = np.cumsum(np.bincount(bands, minlength=BANDS)[::-1]).astype(np.uint32)
    cut = data.draw(st.integers(0, BANDS - 1))
    known = dict(zip(where[order].tolist(), impacts[order].tolist(), strict=True))
    left = set(where[order][int(ends[cut - 1]) if cut else 0 :].tolist())
    for document in [0, documents - 1, *random.integers(0, documents, 30), *where[:30]]:
        expected = known[int(document)] if int(document) in left else 0
        found = _impact_behind(postings, ends, cut, np.uint32(document), np.int64(documents))
        assert found == expected
