"""Sync: the index holds the catalog's products and no others, and nothing is lost by mistake."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine import CatalogError, IndexLockedError, IndexNotFoundError, SearchEngine
from engine.storage.snapshot import Snapshot
from indexer import IndexWriter, SparseModel, catalog_windows
from indexer.catalog import CatalogReader, RejectLog, RejectReason
from indexer.model_choice import ModelChoice
from indexer.sync import DeletionLimits, SyncSummary, sync_catalog
from tests.indexer.catalogs import CountingModel, product, write_lines
from tests.indexer.model.tiny_models import write_model

TITLES = ["queen sheet", "cotton", "queen", "phone case"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> SparseModel:
    return SparseModel.load(write_model(tmp_path_factory.mktemp("tiny") / "model"))


def sync(
    folder: Path, lines: list[Any], model: Any, *, allow_empty: bool = False, **options: Any
) -> SyncSummary:
    catalog = write_lines(folder / "catalog.jsonl", lines)

    def open_reader(rejects: RejectLog) -> CatalogReader:
        return CatalogReader([catalog], rejects=rejects, allow_empty=allow_empty)

    return sync_catalog(open_reader, model, folder / "index", **options)


def contents(folder: Path) -> dict[str, Any]:
    try:
        snapshot = Snapshot(folder / "index")
    except IndexNotFoundError:
        return {}
    found = {}
    for segment in snapshot.segments:
        for document in range(segment.record.documents):
            if not segment.is_deleted(document):
                stored = segment.stored_document(document)
                assert stored is not None
                found[segment.id_of(document)] = json.loads(stored)
    assert len(found) == snapshot.manifest.documents
    assert not snapshot.unfinished_runs()
    snapshot.close()
    return found


def difference(summary: SyncSummary) -> tuple[int, int, int, int, int]:
    found = summary.difference
    counts = (found.added, found.replaced, found.updated, found.unchanged)
    return (*counts, summary.deleted)


def test_adds_replaces_updates_and_deletes(tmp_path: Path, model: SparseModel) -> None:
    first = sync(tmp_path, [product(at) for at in range(5)], model)
    assert difference(first) == (5, 0, 0, 0, 0)
    lines = [product(0), {**product(1), "price": 9}, product(2, "cotton"), product(7)]
    before = contents(tmp_path)
    told = sync(tmp_path, lines, ModelChoice("no such model"), dry_run=True)
    assert contents(tmp_path) == before
    counting: Any = CountingModel(model)
    second = sync(tmp_path, lines, counting)
    assert difference(told) == difference(second) == (1, 1, 1, 1, 2)
    assert told.documents == second.documents == 4
    assert counting.texts == ["cotton", "queen sheet"]
    assert second.indexing.replaced == 1
    assert contents(tmp_path) == {line["id"]: line for line in lines}


def test_the_model_is_not_loaded_to_delete_or_to_compare(
    tmp_path: Path, model: SparseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync(tmp_path, [product(at) for at in range(5)], model)

    def load(*_: object) -> SparseModel:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(ModelChoice, "load", load)
    lines = [product(4), {**product(1), "price": 9}, product(2)]
    assert difference(sync(tmp_path, lines, ModelChoice())) == (0, 0, 1, 2, 2)
    assert contents(tmp_path) == {line["id"]: line for line in lines}


RECORDS = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from(TITLES), st.integers(0, 2)), max_size=25
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(RECORDS, min_size=1, max_size=4), st.integers(1, 6))
def test_the_index_equals_the_catalog(
    tmp_path_factory: pytest.TempPathFactory,
    model: SparseModel,
    catalogs: list[list[tuple[int, str, int]]],
    window: int,
) -> None:
    folder = tmp_path_factory.mktemp("sync")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog_windows, "WINDOW", window)
        for records in catalogs:
            lines = [{**product(at, title), "price": price} for at, title, price in records]
            before = contents(folder)
            everything = DeletionLimits(all=True)
            wanted = {line["id"]: line for line in lines}
            if not lines and not before:
                continue
            counting: Any = CountingModel(model)
            summary = sync(folder, lines, counting, allow_empty=True, limits=everything)
            assert contents(folder) == wanted
            found = summary.difference
            assert found.records == len(wanted)
            assert found.added == len(wanted.keys() - before.keys())
            assert summary.deleted == len(before.keys() - wanted.keys())
            assert found.unchanged == sum(before.get(key) == wanted[key] for key in wanted)
            again = sync(folder, lines, counting, allow_empty=True, limits=everything)
            assert difference(again) == (0, 0, 0, len(wanted), 0) or len(records) > len(wanted)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "the file is empty"),
        (["", "  "], "the file is empty"),
        (["{", "[1]"], "no record could be indexed: 1 malformed-json, 1 not-an-object"),
        ([product(8), product(9)], "no id of the catalog is in the index, so all 5 documents"),
        ([product(0)], "4 documents would be deleted, and --max-delete allows 3"),
    ],
)
@pytest.mark.parametrize("dry_run", [True, False])
def test_a_catalog_that_would_delete_too_much_changes_nothing(
    tmp_path: Path, model: SparseModel, lines: list[Any], message: str, dry_run: bool
) -> None:
    sync(tmp_path, [product(at) for at in range(5)], model)
    before = (tmp_path / "index" / "data.mdb").read_bytes()
    with pytest.raises(CatalogError, match=message) as caught:
        sync(tmp_path, lines, model, limits=DeletionLimits(most=3), dry_run=dry_run)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "index" / "data.mdb").read_bytes() == before


def test_a_catalog_that_breaks_off_changes_nothing(tmp_path: Path, model: SparseModel) -> None:
    sync(tmp_path, [product(at) for at in range(5)], model)
    before = contents(tmp_path)
    lines = "".join(json.dumps(product(at, "cotton")) + "\n" for at in range(3000))
    catalog = tmp_path / "catalog.jsonl.gz"
    catalog.write_bytes(gzip.compress(lines.encode())[:-2000])
    with pytest.raises(CatalogError, match=r"catalog\.jsonl\.gz"):
        sync_catalog(
            lambda rejects: CatalogReader([catalog], rejects=rejects), model, tmp_path / "index"
        )
    assert contents(tmp_path) == before


def test_everything_is_deleted_when_that_is_meant(tmp_path: Path, model: SparseModel) -> None:
    everything = DeletionLimits(all=True)
    sync(tmp_path, [product(at) for at in range(5)], model)
    sync(tmp_path, [product(8), product(9)], model, limits=everything)
    assert sorted(contents(tmp_path)) == ["p8", "p9"]
    summary = sync(tmp_path, [], model, allow_empty=True, limits=everything)
    assert (summary.deleted, summary.documents) == (2, 0)
    assert contents(tmp_path) == {}
    with SearchEngine.open(tmp_path / "index") as engine:
        assert not len(engine.search("queen"))
    sync(tmp_path, [product(1)], model)
    assert sorted(contents(tmp_path)) == ["p1"]


def test_bad_records_keep_what_seems_gone(tmp_path: Path, model: SparseModel) -> None:
    sync(tmp_path, [product(at) for at in range(5)], model)
    lines = [product(0, "cotton"), product(1), "{broken", product(6), product(6)]
    rejects = RejectLog()
    told = sync(tmp_path, lines, model, dry_run=True)
    summary = sync(tmp_path, lines, model, rejects=rejects)
    assert rejects.counts == {RejectReason.MALFORMED_JSON: 1, RejectReason.DUPLICATE_ID: 1}
    assert (summary.deleted, summary.withheld, summary.documents) == (0, 3, 6)
    assert (told.deleted, told.withheld, told.documents) == (0, 3, 6)
    # What could be read was done all the same.
    assert contents(tmp_path)["p0"]["title"] == "cotton"
    assert "p6" in contents(tmp_path)
    limits = DeletionLimits(despite_rejects=True)
    summary = sync(tmp_path, lines, model, limits=limits)
    assert (summary.deleted, summary.withheld, summary.documents) == (3, 0, 3)
    # A repeated id hides no product.
    assert sync(tmp_path, [product(0), product(1), product(0)], model).deleted == 1


def test_an_interrupted_run_has_deleted_nothing(
    tmp_path: Path, model: SparseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_windows, "WINDOW", 2)
    sync(tmp_path, [product(at) for at in range(5)], model)
    lines = [product(at, "cotton") for at in range(3, 12)]
    interrupted: Any = CountingModel(model, calls=2)
    with pytest.raises(KeyboardInterrupt):
        sync(tmp_path, lines, interrupted)
    with SearchEngine.open(tmp_path / "index") as engine:
        assert len(engine) == 7
    counting: Any = CountingModel(model)
    summary = sync(tmp_path, lines, counting)
    assert len(counting.texts) == 5
    assert summary.deleted == 3
    assert contents(tmp_path) == {line["id"]: line for line in lines}


def test_one_writer_at_a_time(tmp_path: Path, model: SparseModel) -> None:
    sync(tmp_path, [product(0), product(1)], model)
    with IndexWriter(tmp_path / "index"):
        with pytest.raises(IndexLockedError):
            sync(tmp_path, [product(0)], model)
        # To compare is to read.
        assert sync(tmp_path, [product(0)], model, dry_run=True).deleted == 1
