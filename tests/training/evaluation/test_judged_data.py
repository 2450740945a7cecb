"""The baseline on real collections, which stay outside the project."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from training import evaluate, load_collection

DATA = Path(os.environ.get("SABANA_DATA", Path(__file__).parents[4] / "shared" / "data")) / "judged"
pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="the judged collections are not here: set SABANA_DATA to their folder"
)


def test_bm25_on_msmarco_5000() -> None:
    """0.620 graded over the 43 judged queries; 0.410 over the 36 with a passage of grade 3."""
    collection = load_collection(DATA / "msmarco-5000")
    graded = evaluate(collection, "bm25")
    assert (graded.documents, graded.queries, graded.left_out) == (5000, 43, 7)
    assert graded.card()["dot_ndcg@10_graded"] == pytest.approx(0.620, abs=0.002)
    best = evaluate(collection, "bm25", min_relevance=3)
    assert (best.queries, best.left_out) == (36, 14)
    assert best.card()["dot_ndcg@10"] == pytest.approx(0.410, abs=0.002)


@pytest.mark.parametrize(
    ("name", "documents", "queries"),
    [("home-depot", 54_667, 11_795), ("arguana", 8_674, 1_406)],
)
def test_real_collections_read(name: str, documents: int, queries: int) -> None:
    collection = load_collection(DATA / name)
    assert (len(collection.ids), len(collection.answerable())) == (documents, queries)
