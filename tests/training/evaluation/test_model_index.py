from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine import SearchEngine, UsageError
from indexer import SparseModel
from tests.indexer.model.tiny_models import write_model
from tests.training.evaluation.small_collections import random_collection
from training.evaluation import model_index
from training.evaluation.model_index import ModelIndex

COLLECTION = random_collection(20, 5)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> SparseModel:
    return SparseModel.load(write_model(tmp_path_factory.mktemp("tiny") / "model"))


def test_rankings_are_the_engines(tmp_path: Path, model: SparseModel) -> None:
    texts = [query.text for query in COLLECTION.queries]
    counted: list[int] = []
    with ModelIndex(COLLECTION, model, tmp_path / "index", counted.append) as index:
        rankings = index.search(texts, 7)
        assert index.encoded == sum(counted) == 20
        assert index.frequencies.sum() == model.encode_document(COLLECTION.texts).nnz
    with SearchEngine.open(tmp_path / "index") as engine:
        for text, ranking in zip(texts, rankings, strict=True):
            assert [(hit.id, hit.score) for hit in engine.search(text, 7)] == ranking


def test_what_is_unchanged_is_not_encoded_again(
    tmp_path: Path, model: SparseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_index, "_WINDOW", 6)
    monkeypatch.setattr(model_index, "_QUERIES_AT_ONCE", 2)
    texts = [query.text for query in COLLECTION.queries]
    with ModelIndex(COLLECTION, model, tmp_path) as index:
        first = index.search(texts, 5)
    counted: list[int] = []
    with ModelIndex(COLLECTION, model, tmp_path, counted.append) as index:
        assert index.encoded == 0
        assert sum(counted) == 20
        assert index.search(texts, 5) == first
    changed = replace(COLLECTION, texts=["queen sheet", *COLLECTION.texts[1:]])
    with ModelIndex(changed, model, tmp_path) as index:
        assert index.encoded == 1
        frequencies = index.frequencies
    with ModelIndex(changed, model, tmp_path / "new") as index:
        assert (index.frequencies == frequencies).all()


def test_an_interrupted_run_goes_on(
    tmp_path: Path, model: SparseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_index, "_WINDOW", 6)
    encode = model.encode_document
    calls = iter(range(2))

    def interrupted(*arguments: Any, **options: Any) -> Any:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return encode(*arguments, **options)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(model, "encode_document", interrupted)
        ModelIndex(COLLECTION, model, tmp_path)
    with ModelIndex(COLLECTION, model, tmp_path) as index:
        assert index.encoded == 8


def test_an_index_of_something_else_is_left_alone(tmp_path: Path, model: SparseModel) -> None:
    ModelIndex(COLLECTION, model, tmp_path / "index").close()
    before = (tmp_path / "index" / "data.mdb").read_bytes()
    fewer = replace(COLLECTION, ids=COLLECTION.ids[:-2], texts=COLLECTION.texts[:-2])
    with pytest.raises(UsageError, match="holds 2 documents that are not in random: name another"):
        ModelIndex(fewer, model, tmp_path / "index")
    another = SparseModel.load(write_model(tmp_path / "other", activation="log1p_relu"))
    with pytest.raises(UsageError, match=r"with another model.*name another folder"):
        ModelIndex(COLLECTION, another, tmp_path / "index")
    assert (tmp_path / "index" / "data.mdb").read_bytes() == before
