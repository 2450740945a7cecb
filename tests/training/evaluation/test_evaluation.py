"""The whole of it, with tiny models; and that its figures are sentence-transformers' own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers.utils import logging

from engine import CatalogError, ModelError, UsageError
from indexer import SparseModel
from tests.indexer.model.tiny_models import write_model
from tests.training.evaluation.small_collections import (
    random_collection,
    write,
    write_collection,
)
from training import EvaluationReport, evaluate
from training.evaluation.collection import Collection
from training.evaluation.metrics import GRADED, METRICS

COLLECTION = random_collection(130, 24)


@pytest.fixture(autouse=True)
def _quiet_loading() -> Iterator[None]:
    logger: Any = logging
    logger.disable_progress_bar()
    yield
    logger.enable_progress_bar()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="module")
def model(folder: Path) -> SparseModel:
    return SparseModel.load(folder, dtype="float32")


@pytest.fixture(scope="module")
def report(model: SparseModel) -> EvaluationReport:
    return evaluate(COLLECTION, model, compare=["bm25", model])


def without_ties(collection: Collection, model: SparseModel) -> Collection:
    """Keep the queries whose documents all match, with scores that lie apart.

    Elsewhere the two differ on purpose: sentence-transformers ranks equal scores by id, and so
    documents that match nothing.
    """
    queries = model.encode_query([query.text for query in collection.queries])
    scores = np.sort(model.similarity(queries, model.encode_document(collection.texts)), axis=1)
    apart = (scores[:, 0] > 0) & (np.diff(scores, axis=1).min(axis=1) > 1e-3)
    kept = [query for query, keep in zip(collection.queries, apart, strict=True) if keep]
    assert len(kept) >= 20
    return replace(collection, queries=kept)


# Importing sentence-transformers and its data set dependencies warns about their own insides.
@pytest.mark.filterwarnings("ignore::DeprecationWarning:sentence_transformers.*")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*")
@pytest.mark.filterwarnings("ignore:Sparse.*tensor support is in beta:UserWarning")
def test_equal_to_sentence_transformers(folder: Path, model: SparseModel) -> None:
    from sentence_transformers import SparseEncoder
    from sentence_transformers.sparse_encoder.evaluation import (
        SparseInformationRetrievalEvaluator,
    )

    collection = without_ties(random_collection(20, 80), model)
    theirs = SparseEncoder(
        str(folder), device="cpu", local_files_only=True, model_kwargs={"dtype": "float32"}
    )
    evaluator = SparseInformationRetrievalEvaluator(
        queries={query.id: query.text for query in collection.queries},
        corpus=dict(zip(collection.ids, collection.texts, strict=True)),
        relevant_docs={query.id: collection.relevant(query) for query in collection.queries},
        show_progress_bar=False,
    )
    expected = evaluator(theirs)
    card = evaluate(collection, model).card()
    assert set(card) - {GRADED} == set(expected)
    assert 0.1 < card["dot_ndcg@10"] < 0.9
    for name, value in expected.items():
        assert card[name] == pytest.approx(value, abs=1e-6), name


def test_the_report(report: EvaluationReport, model: SparseModel) -> None:
    plain = json.loads(json.dumps(report.to_dict()))
    assert (plain["collection"], plain["documents"], plain["queries"]) == ("random", 130, 24)
    assert [system["name"] for system in plain["systems"]] == [model.name, "bm25", model.name]
    assert [system["encoded"] for system in plain["systems"]] == [130, 0, 130]
    mine, bm25, again = (system["groups"]["all"] for system in plain["systems"])
    assert list(mine["metrics"]) == list(METRICS)
    assert mine == again
    assert bm25["sparsity"] is None
    for figures in (*mine["metrics"].values(), *bm25["metrics"].values()):
        assert 0 <= figures["low"] <= figures["value"] <= figures["high"] <= 1
    assert report.card() == {
        **{name: figures["value"] for name, figures in mine["metrics"].items()},
        **mine["sparsity"],
    }
    lexical, same = (comparison["groups"]["all"] for comparison in plain["comparisons"])
    for name in METRICS:
        difference = mine["metrics"][name]["value"] - bm25["metrics"][name]["value"]
        assert lexical[name]["difference"] == pytest.approx(difference)
        assert same[name] == {"difference": 0, "p": 1}
    assert 0 < lexical["dot_ndcg@10"]["p"] < 1


def test_bm25_finds_the_words_of_a_query() -> None:
    texts = ["queen sheet", "phone case", "cotton queen", "lid"]
    collection = replace(
        COLLECTION,
        ids=["a", "b", "c", "d"],
        texts=texts,
        queries=COLLECTION.queries[:1],
        judgments={"q0": {"b": 1.0}},
    )
    collection = replace(collection, queries=[replace(collection.queries[0], text="phone")])
    report = evaluate(collection, "bm25")
    assert report.systems[0].fingerprint is None
    assert report.card()["dot_mrr@10"] == 1
    assert "query_active_dims" not in report.card()


def test_groups_splits_and_grades(tmp_path: Path, model: SparseModel) -> None:
    queries = [
        replace(query, groups=(("en", "es")[at % 2],))
        for at, query in enumerate(COLLECTION.queries)
    ]
    collection = replace(COLLECTION, queries=queries)
    report = evaluate(collection, model, split="dev", min_relevance=3)
    assert sorted(report.groups) == ["all", "en", "es"]
    whole = report.systems[0].groups
    kept = collection.in_split("dev")
    assert whole["all"].queries == whole["en"].queries + whole["es"].queries == report.queries
    assert report.queries == len(kept.answerable(3))
    assert report.left_out == len(kept.queries) - report.queries > 0
    for name in METRICS:
        parts = [(whole[group].metrics[name].value, whole[group].queries) for group in ("en", "es")]
        mean = sum(value * count for value, count in parts) / report.queries
        assert whole["all"].metrics[name].value == pytest.approx(mean)
    alone = evaluate(replace(kept, queries=[q for q in kept.queries if q.groups == ("es",)]), model,
                     min_relevance=3)  # fmt: skip
    assert alone.card() == report.card("es")


def test_files_queries_runs_and_kept_indexes(tmp_path: Path, folder: Path) -> None:
    """What the command line does: everything by name."""
    shop = write_collection(tmp_path / "shop")
    translated = write(
        tmp_path / "es.tsv",
        "query-id\tkind\ttext\nq1\tkeywords\tsabana\nq1\tquestions\tqueen?\nq2\tkeywords\tphone\n",
    )
    other = write_model(tmp_path / "other", activation="log1p_relu")
    options: dict[str, Any] = {
        "index": tmp_path / "kept" / "index",
        "compare": ["bm25", str(other)],
        "queries": translated,
        "run": tmp_path / "my.run",
    }
    report = evaluate(shop, folder, **options)
    assert report.groups == ("all", "keywords", "questions")
    assert [report.systems[0].groups[group].queries for group in report.groups] == [3, 2, 1]
    assert [system.encoded for system in report.systems] == [3, 0, 3]
    ids = [line.split()[0] for line in (tmp_path / "my.run").read_text().splitlines()]
    assert list(dict.fromkeys(ids)) == ["q1/keywords", "q1/questions", "q2/keywords"]
    fingerprint = report.systems[2].fingerprint
    assert fingerprint is not None
    kept = sorted(path.name for path in (tmp_path / "kept").iterdir())
    assert kept == ["index", f"index.{fingerprint[:12]}"]
    again = evaluate(str(shop), str(folder), **options)
    assert [system.encoded for system in again.systems] == [0, 0, 0]
    assert again.card() == report.card()


def test_what_is_wrong_shows_before_anything_is_encoded(
    tmp_path: Path, model: SparseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*arguments: Any, **options: Any) -> None:
        raise AssertionError("encoded")

    monkeypatch.setattr(model, "encode_document", never)

    def refused(
        error: type[Exception], said: str, source: Any = COLLECTION, **options: Any
    ) -> None:
        with pytest.raises(error, match=said):
            evaluate(source, model, **options)

    refused(ModelError, "no model directory", compare=[str(tmp_path / "nowhere")])
    refused(CatalogError, "no collection", str(tmp_path / "nowhere"))
    refused(CatalogError, "cannot be read", queries=tmp_path / "nowhere")
    refused(UsageError, "dev or test", split="train")
    refused(UsageError, "above 0", min_relevance=0)
    refused(UsageError, "none of the 24 queries of random", min_relevance=9)
    refused(UsageError, "name a file in a folder", run=tmp_path / "nowhere" / "run")
    refused(UsageError, "unknown device", compare=["default"], device="abacus")
    empty = Collection("empty", ["a"], ["text"], [], {})
    refused(UsageError, "nothing to measure", empty)
