"""The pipeline, with a tiny model; and exactness on the default model's vectors of examples/."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import (
    CatalogError,
    IndexNotFoundError,
    ModelError,
    ModelMismatchError,
    SearchEngine,
)
from engine.storage.snapshot import Snapshot
from engine.storage.unfinished_run import UnfinishedRun
from indexer import IndexWriter, SparseModel, catalog_run, catalog_windows, index_catalog
from indexer.catalog import CatalogReader, RejectReason
from indexer.model_choice import ModelChoice
from tests.engine.retrieval.exhaustive import Query, assert_float_order, score_tolerance
from tests.indexer.catalogs import CountingModel, open_again, product, reader
from tests.indexer.model.tiny_models import write_model

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> SparseModel:
    return SparseModel.load(write_model(tmp_path_factory.mktemp("tiny") / "model"))


def documents(index: Path, count: int) -> list[Any]:
    with SearchEngine.open(index) as engine:
        return [engine.get(f"p{at}") if f"p{at}" in engine else None for at in range(count)]


def test_what_is_unchanged_is_not_encoded_again(tmp_path: Path, model: SparseModel) -> None:
    catalog, index = tmp_path / "catalog.jsonl", tmp_path / "index"
    first = index_catalog(reader(catalog, [product(at) for at in range(5)]), model, index)
    assert (first.indexed, first.unchanged, first.replaced, first.documents) == (5, 0, 0, 5)
    assert first.fields[0].text_fields == ("title",)
    lines = [product(0), {**product(1), "price": 99}, product(2, "cotton sheet"), product(7)]
    second = index_catalog(reader(catalog, lines), model, index)
    assert (second.indexed, second.unchanged, second.replaced, second.documents) == (2, 1, 1, 6)
    assert second.updated == 1
    assert documents(index, 8)[1]["price"] == 99
    third = index_catalog(reader(catalog, lines), model, index, max_active_dims=2)
    assert (third.indexed, third.unchanged) == (4, 0)
    with SearchEngine.open(index) as engine:
        assert len(engine) == 6
        # A segment of which half is deleted is merged away.
        assert engine.info().deleted == 0


def test_what_has_new_fields_only_is_not_encoded_again(tmp_path: Path, model: SparseModel) -> None:
    catalog, index = tmp_path / "catalog.jsonl", tmp_path / "index"
    lines = [product(at, f"queen {'sheet ' * at}") for at in range(6)]
    index_catalog(reader(catalog, lines), model, index)
    with SearchEngine.open(index) as engine:
        before = {hit.id: hit.score for hit in engine.search("queen sheet")}
    again: Any = CountingModel(model)
    changed = [{**line, "price": 99} if at % 2 else line for at, line in enumerate(lines)]
    summary = index_catalog(reader(catalog, [*changed, product(9, "cotton")]), again, index)
    assert (summary.indexed, summary.updated, summary.unchanged) == (1, 3, 3)
    assert (summary.replaced, summary.documents) == (0, 7)
    assert again.texts == ["cotton"]
    assert [one["price"] for one in documents(index, 6)] == [0, 99, 2, 99, 4, 99]
    with SearchEngine.open(index) as engine:
        assert {hit.id: hit.score for hit in engine.search("queen sheet")} == before


def test_a_repeated_record_keeps_its_place(
    tmp_path: Path, model: SparseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a run that was interrupted gives the same order as one that was not."""
    lines = [product(0), product(1), product(0), product(2), product(1)]
    orders = []
    for window in (1, 2, 3, 5):
        monkeypatch.setattr(catalog_windows, "WINDOW", window)
        index = tmp_path / f"index-{window}"
        counting: Any = CountingModel(model)
        catalog = reader(tmp_path / "catalog.jsonl", lines)
        index_catalog(catalog, counting, index)
        assert len(counting.texts) == 3
        assert catalog.rejects.counts == {RejectReason.DUPLICATE_ID: 2}
        with SearchEngine.open(index) as engine:
            orders.append([hit.id for hit in engine.search("queen")])
    assert orders == [["p0", "p1", "p2"]] * 4


def unfinished(index: Path) -> tuple[UnfinishedRun, ...]:
    snapshot = Snapshot(index)
    runs = snapshot.unfinished_runs()
    snapshot.close()
    return runs


class Forbidden(ModelChoice):
    def load(self, recorded: str | None) -> SparseModel:
        raise AssertionError("the model was loaded")


def test_a_model_is_loaded_only_to_encode(
    tmp_path: Path, model: SparseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, catalog = tmp_path / "index", tmp_path / "catalog.jsonl"
    index_catalog(reader(catalog, [product(0), product(1)]), model, index)
    lines = [product(0), {**product(1), "price": 7}]
    # Without a name it is the model of the index; with one, it is compared by name first.
    monkeypatch.chdir(Path(model.name).parent)
    for choice in (Forbidden(), Forbidden(model.name), Forbidden(Path(model.name).name)):
        index_catalog(reader(catalog, lines), choice, index)
    with pytest.raises(ModelMismatchError, match="was built with model"):
        index_catalog(reader(catalog, lines), ModelChoice("default"), index)
    summary = index_catalog(reader(catalog, [product(3, "cotton")]), ModelChoice(), index)
    assert summary.documents == 3
    assert summary.max_length == model.max_length


def test_a_model_that_changed_under_its_name_is_told(tmp_path: Path) -> None:
    index, catalog = tmp_path / "index", tmp_path / "catalog.jsonl"
    root = write_model(tmp_path / "model")
    index_catalog(reader(catalog, [product(0)]), ModelChoice(str(root)), index)
    shutil.rmtree(root)
    write_model(root, activation="log1p_relu")
    with pytest.raises(ModelMismatchError, match=r"before it changed .* --rebuild"):
        index_catalog(reader(catalog, [product(1)]), ModelChoice(str(root)), index)
    with SearchEngine.open(index) as engine:
        assert len(engine) == 1


def test_a_model_that_is_gone_is_missed_only_when_needed(
    tmp_path: Path, model: SparseModel
) -> None:
    index, catalog = tmp_path / "index", tmp_path / "catalog.jsonl"
    moved = write_model(tmp_path / "model")
    index_catalog(reader(catalog, [product(0)]), ModelChoice(str(moved)), index)
    moved.rename(tmp_path / "moved")
    index_catalog(reader(catalog, [product(0)]), ModelChoice(), index)
    with pytest.raises(ModelError, match="say with --model where it is now"):
        index_catalog(reader(catalog, [product(1)]), ModelChoice(), index)
    index_catalog(reader(catalog, [product(1)]), ModelChoice(str(tmp_path / "moved")), index)
    with SearchEngine.open(index) as engine:
        assert len(engine) == 2
    assert model is not None


def test_a_run_is_unfinished_until_its_catalogs_are_read(
    tmp_path: Path, model: SparseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_windows, "WINDOW", 1)
    index = tmp_path / "index"
    interrupted: Any = CountingModel(model, calls=1)
    for name in ("a.jsonl", "b.jsonl"):
        lines = [product(at, f"queen {name}") for at in range(3)]
        with pytest.raises(KeyboardInterrupt):
            index_catalog(reader(tmp_path / name, lines), interrupted, index)
        interrupted = CountingModel(model, calls=1)
    runs = unfinished(index)
    assert [(run.command, Path(run.catalogs[0]).name) for run in runs] == [
        ("index", "a.jsonl"),
        ("index", "b.jsonl"),
    ]
    with IndexWriter(index) as writer:
        writer.delete(["p0"])
    assert unfinished(index) == runs
    index_catalog(open_again(tmp_path / "a.jsonl"), model, index)
    assert unfinished(index) == runs[1:]


def test_the_last_of_equal_ids_wins_within_and_across_windows(
    tmp_path: Path, model: SparseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_windows, "WINDOW", 3)
    lines = [{**product(at % 4), "price": at} for at in range(11)]
    catalog = reader(tmp_path / "catalog.jsonl", lines)
    summary = index_catalog(catalog, model, tmp_path / "index")
    assert [one["price"] for one in documents(tmp_path / "index", 4)] == [8, 9, 10, 7]
    assert catalog.rejects.counts == {RejectReason.DUPLICATE_ID: 7}
    assert catalog.rejects.first[RejectReason.DUPLICATE_ID].line == 5
    assert summary.documents == 4


def test_no_record_leaves_everything_as_it_was(tmp_path: Path, model: SparseModel) -> None:
    index = tmp_path / "index"
    with pytest.raises(CatalogError, match="no record could be indexed: 2 malformed-json"):
        index_catalog(reader(tmp_path / "bad.jsonl", ["{", "nonsense"]), model, index)
    assert not index.exists()
    index_catalog(reader(tmp_path / "good.jsonl", [product(0)]), model, index)
    before = (index / "data.mdb").read_bytes()
    with pytest.raises(CatalogError):
        index_catalog(reader(tmp_path / "bad.jsonl", ["{"]), model, index)
    assert (index / "data.mdb").read_bytes() == before


@pytest.mark.parametrize("seconds", [0.0, 1e9], ids=["with checkpoints", "without"])
def test_an_interrupted_run_goes_on_where_it_was(
    tmp_path: Path, model: SparseModel, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    monkeypatch.setattr(catalog_windows, "WINDOW", 2)
    monkeypatch.setattr(catalog_run, "CHECKPOINT_SECONDS", seconds)
    lines = [product(at) for at in range(9)]
    index = tmp_path / "index"
    interrupted: Any = CountingModel(model, calls=3)
    with pytest.raises(KeyboardInterrupt):
        index_catalog(reader(tmp_path / "catalog.jsonl", lines), interrupted, index)
    with SearchEngine.open(index) as engine:
        assert len(engine) == 6
        assert [run.catalogs for run in unfinished(index)] == [(str(tmp_path / "catalog.jsonl"),)]
        assert [hit.id for hit in engine.search("queen")] == [f"p{at}" for at in range(6)]
    summary = index_catalog(reader(tmp_path / "catalog.jsonl", lines), model, index)
    assert (summary.indexed, summary.unchanged, summary.documents) == (3, 6, 9)
    assert not unfinished(index)


def test_a_strict_run_that_fails_changes_nothing(
    tmp_path: Path, model: SparseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_windows, "WINDOW", 1)
    monkeypatch.setattr(catalog_run, "CHECKPOINT_SECONDS", 0.0)
    catalog = reader(tmp_path / "catalog.jsonl", [product(0), product(1), "{"], strict=True)
    with pytest.raises(CatalogError, match="malformed-json"):
        index_catalog(catalog, model, tmp_path / "index")
    with pytest.raises(IndexNotFoundError):
        SearchEngine.open(tmp_path / "index")


def test_checkpoints_leave_one_segment(tmp_path: Path, model: SparseModel) -> None:
    """A checkpoint is searchable, and the next one takes its place; replaced ids stay replaced."""
    vectors = model.encode_document(["queen sheet", "cotton", "queen"])
    with IndexWriter(tmp_path, model=model) as writer:
        writer.upsert(["a", "b"], vectors[:2])
        writer.commit()
        for at in range(5):
            writer.upsert(["b", f"c{at}"], vectors[1:])
            writer.checkpoint()
            assert len(writer) == 3 + at
            with SearchEngine.open(tmp_path) as engine:
                info = engine.info()
                assert (info.segments, len(engine)) == (2, 3 + at)
                assert "b" in engine
    with SearchEngine.open(tmp_path) as engine:
        assert engine.info().segments == 2
        assert len(engine) == 7
        assert sum(count for name, count in engine.info().bytes_by_part.items()) < 20_000


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SearchEngine, Any]]:
    """The example catalog under the default model, and its vectors."""
    default = SparseModel.load()
    records = list(CatalogReader([EXAMPLES / "catalog.jsonl"]))
    vectors = default.encode_document([record.text for record in records])
    path = tmp_path_factory.mktemp("shop") / "index"
    with IndexWriter(path, model=default) as writer:
        ids = [record.id for record in records]
        writer.upsert(ids[:200], vectors[:200], [record.document for record in records[:200]])
        writer.commit()
        writer.upsert(ids[200:], vectors[200:], [record.document for record in records[200:]])
    with SearchEngine.open(path) as engine:
        yield engine, (default, ids, vectors)


def test_searches_of_the_examples_equal_exhaustive_scoring(
    shop: tuple[SearchEngine, Any],
) -> None:
    engine, (model, ids, vectors) = shop
    step = engine.info().quantization_step
    lines = (EXAMPLES / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    queries = [json.loads(line)["text"] for line in lines]
    encoded = model.encode_query(queries)
    exact = (vectors.astype(np.float64) @ encoded.astype(np.float64).T).toarray()
    position = {identifier: at for at, identifier in enumerate(ids)}
    live = np.ones(len(ids), np.bool_)
    for at, query in enumerate(queries):
        row = encoded[at]
        tolerance = score_tolerance(Query(row.indices, row.data.astype(np.float64)), step)
        for k in (1, 10, 500):
            results = engine.search(query, k=k)
            found = [position[hit.id] for hit in results]
            for hit, document in zip(results, found, strict=True):
                assert abs(hit.score - exact[document, at]) <= tolerance
            assert_float_order(found, exact[:, at], live, k, tolerance)
