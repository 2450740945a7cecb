"""Rebuilding: the old index stays until the new one is whole, and readers go on meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import indexer.rebuild
from engine import (
    CatalogError,
    IndexLockedError,
    IndexNotFoundError,
    ModelError,
    SearchEngine,
)
from engine.storage.unfinished_rebuild import unfinished_rebuild
from indexer import IndexWriter, SparseModel, catalog_windows, index_catalog
from indexer.catalog import RejectReason
from indexer.model_choice import ModelChoice
from indexer.rebuild import rebuild_index
from tests.indexer.catalogs import CountingModel, product, reader
from tests.indexer.model.tiny_models import write_model

OLD = [product(at) for at in range(6)]
NEW = [product(at, "cotton sheet") for at in range(2, 9)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> SparseModel:
    return SparseModel.load(write_model(tmp_path_factory.mktemp("tiny") / "model"))


@pytest.fixture(scope="module")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> SparseModel:
    return SparseModel.load(write_model(tmp_path_factory.mktemp("other") / "model", pooling="sum"))


@pytest.fixture
def index(tmp_path: Path, model: SparseModel) -> Path:
    path = tmp_path / "index"
    index_catalog(reader(tmp_path / "old.jsonl", OLD), model, path)
    return path


def found(engine: SearchEngine) -> list[tuple[str, float]]:
    """All documents, ranked by the sum of their weights."""
    size = engine.info().vocabulary_size
    hits = engine.search_vector(np.arange(size), np.ones(size), k=100)
    return [(hit.id, hit.score) for hit in hits]


def answers(path: Path) -> list[tuple[str, float]]:
    with SearchEngine.open(path) as engine:
        return found(engine)


def files(path: Path) -> list[str]:
    return sorted(file.name for file in path.iterdir())


@pytest.mark.parametrize("same_model", [True, False])
def test_readers_go_on_until_they_refresh(
    tmp_path: Path, index: Path, model: SparseModel, other_model: SparseModel, same_model: bool
) -> None:
    chosen = model if same_model else other_model
    with SearchEngine.open(index) as engine:
        before = found(engine)
        summary = rebuild_index(reader(tmp_path / "new.jsonl", NEW), chosen, index)
        assert (summary.indexed, summary.documents) == (7, 7)
        assert found(engine) == before
        assert engine.refresh()
        assert {name for name, _ in found(engine)} == {one["id"] for one in NEW}
        assert not engine.refresh()
        assert engine.info().fingerprint == chosen.fingerprint
    fresh = tmp_path / "fresh"
    index_catalog(reader(tmp_path / "new.jsonl", NEW), chosen, fresh)
    assert answers(index) == answers(fresh)
    assert files(index) == ["data.mdb", "lock.mdb", "writer.lock"]
    with IndexWriter(index) as writer:
        writer.delete(["p2"])
    with SearchEngine.open(index) as engine:
        assert len(engine) == 6


def test_where_there_is_no_index_it_is_made(tmp_path: Path, model: SparseModel) -> None:
    index = tmp_path / "index"
    with pytest.raises(CatalogError):
        rebuild_index(reader(tmp_path / "new.jsonl", ["{"]), model, index)
    assert not index.exists()
    rebuild_index(reader(tmp_path / "new.jsonl", NEW), model, index)
    with SearchEngine.open(index) as engine:
        assert len(engine) == 7


def test_where_there_is_no_index_an_interrupted_rebuild_goes_on_too(
    tmp_path: Path, model: SparseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_windows, "WINDOW", 2)
    index = tmp_path / "index"
    interrupted: Any = CountingModel(model, calls=2)
    with pytest.raises(KeyboardInterrupt):
        rebuild_index(reader(tmp_path / "new.jsonl", NEW), interrupted, index)
    with pytest.raises(IndexNotFoundError):
        SearchEngine.open(index)
    counting: Any = CountingModel(model)
    rebuild_index(reader(tmp_path / "new.jsonl", NEW), counting, index)
    assert len(counting.texts) == 3
    assert len(answers(index)) == 7


def test_an_interrupted_rebuild_leaves_the_old_index_and_goes_on(
    tmp_path: Path, index: Path, model: SparseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_windows, "WINDOW", 2)
    before = answers(index)
    interrupted: Any = CountingModel(model, calls=2)
    with pytest.raises(KeyboardInterrupt):
        rebuild_index(reader(tmp_path / "new.jsonl", NEW), interrupted, index)
    assert answers(index) == before
    (run,) = unfinished_rebuild(index)
    assert run.command == "rebuild"
    with SearchEngine.open(index) as engine:
        assert engine.info().unfinished == (run,)
        assert engine.info().to_dict()["unfinished"][0]["catalogs"] == run.catalogs
    # Other work on the old index is not in its way.
    with IndexWriter(index) as writer:
        writer.delete(["p0"])
    counting: Any = CountingModel(model)
    # What the first attempt had and the catalog no longer has does not stay.
    rebuild_index(reader(tmp_path / "new.jsonl", NEW[1:]), counting, index)
    assert len(counting.texts) == 3
    with SearchEngine.open(index) as engine:
        assert engine.info().unfinished == ()
        assert {name for name, _ in found(engine)} == {one["id"] for one in NEW[1:]}
    assert files(index) == ["data.mdb", "lock.mdb", "writer.lock"]


def test_what_an_interrupted_rebuild_left_too_much_goes_batch_by_batch(
    tmp_path: Path, index: Path, model: SparseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_windows, "WINDOW", 2)
    monkeypatch.setattr(indexer.rebuild, "_BATCH", 2)
    interrupted: Any = CountingModel(model, calls=3)
    with pytest.raises(KeyboardInterrupt):
        rebuild_index(reader(tmp_path / "new.jsonl", NEW), interrupted, index)
    batches: list[int] = []
    delete = IndexWriter.delete

    def counted(writer: IndexWriter, ids: list[str]) -> list[str]:
        batches.append(len(ids))
        return delete(writer, ids)

    monkeypatch.setattr(IndexWriter, "delete", counted)
    summary = rebuild_index(reader(tmp_path / "new.jsonl", NEW[5:]), model, index)
    assert batches == [2, 2, 1]
    assert summary.documents == 2
    assert {name for name, _ in answers(index)} == {one["id"] for one in NEW[5:]}


def test_another_model_begins_anew(
    tmp_path: Path,
    index: Path,
    model: SparseModel,
    other_model: SparseModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(catalog_windows, "WINDOW", 2)
    interrupted: Any = CountingModel(model, calls=2)
    with pytest.raises(KeyboardInterrupt):
        rebuild_index(reader(tmp_path / "new.jsonl", NEW), interrupted, index)
    counting: Any = CountingModel(other_model)
    rebuild_index(reader(tmp_path / "new.jsonl", NEW), counting, index)
    assert len(counting.texts) == 7


@pytest.mark.parametrize("damage", [b"", b"not an index", None])
def test_what_an_attempt_left_may_be_damaged(
    tmp_path: Path, index: Path, model: SparseModel, damage: bytes | None
) -> None:
    (index / "rebuild").mkdir()
    if damage is not None:
        (index / "rebuild" / "data.mdb").write_bytes(damage)
    with SearchEngine.open(index) as engine:
        assert engine.info().unfinished == ()
    rebuild_index(reader(tmp_path / "new.jsonl", NEW), model, index)
    assert files(index) == ["data.mdb", "lock.mdb", "writer.lock"]


def test_bad_records_do_not_cost_their_products(
    tmp_path: Path, index: Path, model: SparseModel
) -> None:
    before = answers(index)
    lines = [*NEW, NEW[0], "{broken"]
    catalog = reader(tmp_path / "new.jsonl", lines)
    with pytest.raises(CatalogError, match=r"1 bad records.*new\.jsonl:9: malformed-json"):
        rebuild_index(catalog, model, index)
    assert answers(index) == before
    counting: Any = CountingModel(model)
    catalog = reader(tmp_path / "new.jsonl", lines)
    rebuild_index(catalog, counting, index, ignore_rejects=True)
    assert not counting.texts
    assert catalog.rejects.counts == {RejectReason.MALFORMED_JSON: 1, RejectReason.DUPLICATE_ID: 1}
    with SearchEngine.open(index) as engine:
        assert len(engine) == 7
    with pytest.raises(CatalogError, match="no record could be indexed"):
        rebuild_index(reader(tmp_path / "new.jsonl", ["{"]), model, index, ignore_rejects=True)


def test_the_model_is_that_of_the_old_index(
    tmp_path: Path, index: Path, model: SparseModel, other_model: SparseModel
) -> None:
    rebuild_index(reader(tmp_path / "new.jsonl", NEW), ModelChoice(), index)
    with SearchEngine.open(index) as engine:
        assert engine.info().fingerprint == model.fingerprint
    rebuild_index(reader(tmp_path / "new.jsonl", NEW), ModelChoice(other_model.name), index)
    with SearchEngine.open(index) as engine:
        assert engine.info().fingerprint == other_model.fingerprint


def test_a_damaged_index_is_built_anew(tmp_path: Path, index: Path, model: SparseModel) -> None:
    data = index / "data.mdb"
    data.write_bytes(data.read_bytes()[:-5000])
    with pytest.raises(ModelError, match="name one with --model"):
        rebuild_index(reader(tmp_path / "new.jsonl", NEW), ModelChoice(), index)
    rebuild_index(reader(tmp_path / "new.jsonl", NEW), ModelChoice(model.name), index)
    with SearchEngine.open(index) as engine:
        assert len(engine) == 7


def test_one_writer_at_a_time(tmp_path: Path, index: Path, model: SparseModel) -> None:
    with IndexWriter(index), pytest.raises(IndexLockedError):
        rebuild_index(reader(tmp_path / "new.jsonl", NEW), model, index)
