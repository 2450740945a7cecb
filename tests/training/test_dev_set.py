from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import CatalogError, UsageError
from indexer.model import SparseModel
from tests.training.tiny_runs import sparse_model, write_collection, write_rows
from training import evaluate
from training.configuration import DevCollection
from training.dev_set import DevSet


def test_figures_are_those_of_evaluate(tmp_path: Path) -> None:
    shop = write_collection(tmp_path / "shop")
    model = sparse_model(tmp_path / "model")
    model.train()
    figures = DevSet([DevCollection(str(shop))], seed=0).measure(model, None)
    assert model.training
    report = evaluate(shop, SparseModel.load(tmp_path / "model"))
    card = report.systems[0].card()
    assert figures.by_collection["shop"] == pytest.approx(card["dot_ndcg@10_graded"], abs=1e-6)
    assert figures.active_dims["shop"] == pytest.approx(card["corpus_active_dims"])
    assert figures.ndcg == figures.by_collection["shop"]
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_parts_of_collections_and_their_weights(tmp_path: Path) -> None:
    shop = write_collection(tmp_path / "shop")
    wordings = write_rows(
        tmp_path / "es.jsonl",
        [
            {"_id": "q0", "text": "sabana", "kind": "es"},
            {"_id": "q1", "text": "case", "kind": "en"},
        ],
    )
    model = sparse_model(tmp_path / "model")
    parts = [
        DevCollection(str(shop), weight=3.0),
        DevCollection(str(shop), queries=str(wordings), kind="es"),
        DevCollection(str(shop), max_queries=4, max_documents=6),
        DevCollection(str(shop), split="dev"),
    ]
    dev = DevSet(parts, seed=0)
    figures = dev.measure(model, None)
    names = ["shop", "shop/es", "shop-2", "shop-3"]
    assert list(figures.by_collection) == names
    values = [figures.by_collection[name] for name in names]
    assert figures.ndcg == pytest.approx((3 * values[0] + sum(values[1:])) / 6)
    cut = dev._collections["shop-2"]
    assert (len(cut.queries), len(cut.ids)) == (4, 6)
    judged = {id for query in cut.queries for id in cut.judgments[query.id]}
    assert judged <= set(cut.ids)
    assert len(dev._collections["shop-3"].queries) < 12


def test_fewer_active_dimensions(tmp_path: Path) -> None:
    shop = write_collection(tmp_path / "shop")
    dev = DevSet([DevCollection(str(shop))], seed=0)
    figures = dev.measure(sparse_model(tmp_path / "model"), 3)
    assert figures.active_dims["shop"] <= 3


def test_a_dev_set_that_cannot_be_measured(tmp_path: Path) -> None:
    shop = write_collection(tmp_path / "shop")
    with pytest.raises(CatalogError, match="there is no collection"):
        DevSet([DevCollection(str(tmp_path / "nothing"))], seed=0)
    with pytest.raises(UsageError, match="no query of the dev set"):
        DevSet([DevCollection(str(shop), kind="es")], seed=0)
