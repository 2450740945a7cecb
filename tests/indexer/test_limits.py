"""Limits: large documents, many and long ids, full disks, full maps, and no permission."""

from __future__ import annotations

import json
import os
import resource
import shutil
import tempfile
import unicodedata
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

import indexer.catalog_run
import indexer.uncommitted
from engine import EngineError, IndexWriteError, SearchEngine
from engine.storage import lmdb_handle
from engine.storage.verification import verify_index
from indexer import IndexWriter, catalog_windows, index_catalog
from indexer.catalog import CatalogReader, RejectLog
from indexer.rebuild import rebuild_index
from indexer.sync import sync_catalog
from tests.engine.forked import in_child
from tests.engine.storage.test_store_writer import fill, small_disk
from tests.indexer.catalogs import reader, write_lines
from tests.indexer.word_model import WORDS, WordModel

__all__ = ["small_disk"]

MODEL: Any = WordModel()


def lines(count: int, payload: int = 2000) -> list[dict[str, Any]]:
    return [
        {"id": f"p{at}", "title": WORDS[at % 64], "fill": f"{at}" + "x" * payload}
        for at in range(count)
    ]


def documents(path: Path) -> dict[str, Any]:
    with SearchEngine.open(path) as engine:
        hits = engine.search_vector(np.arange(64), np.ones(64), k=100_000)
        found = {hit.id: hit.document for hit in hits}
        assert len(engine) == len(found)
    return found


def by_id(records: list[dict[str, Any]]) -> dict[str, Any]:
    return {record["id"]: record for record in records}


def test_a_document_of_ten_megabytes(tmp_path: Path) -> None:
    large = {"id": "large", "title": "w1 " * 3_000_000 + "w2", "list": list(range(200_000))}
    small = {"id": "small", "title": "w3"}
    catalog = reader(tmp_path / "catalog.jsonl", [small, large, {**small, "id": "other"}])
    assert index_catalog(catalog, MODEL, tmp_path / "index").documents == 3
    assert not catalog.rejects.total
    with SearchEngine.open(tmp_path / "index") as engine:
        assert engine.get("large") == large
        (hit,) = engine.search("w2")
        assert hit.document == large
    again = reader(tmp_path / "catalog.jsonl", [{**large, "list": []}])
    assert index_catalog(again, MODEL, tmp_path / "index").updated == 1
    # What is larger than a record may be is set aside, and its neighbours are not.
    huge = reader(tmp_path / "catalog.jsonl", [{**large, "title": "w1" * (9 << 20)}, small])
    assert index_catalog(huge, MODEL, tmp_path / "index").unchanged == 1
    assert huge.rejects.total == 1
    assert not verify_index(tmp_path / "index", deep=True).damages


def test_ids_that_differ_in_normalisation_alone_are_two(tmp_path: Path) -> None:
    names = [unicodedata.normalize(form, "sábana") for form in ("NFC", "NFD")]
    records: list[Any] = [{"id": name, "title": "w1", "n": at} for at, name in enumerate(names)]
    path = tmp_path / "index"
    index_catalog(reader(tmp_path / "catalog.jsonl", records), MODEL, path)
    assert documents(path) == by_id(records)
    with IndexWriter(path) as writer:
        assert writer.delete([names[0], unicodedata.normalize("NFKD", names[0]) + "x"]) != []
    assert documents(path) == by_id(records[1:])


def test_the_map_grows_under_a_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With commits, checkpoints and merges, and a snapshot of the last commit in its hands."""
    monkeypatch.setattr(lmdb_handle, "_MAP_SIZES", (1 << 17,))
    monkeypatch.setattr(catalog_windows, "WINDOW", 50)
    monkeypatch.setattr(indexer.catalog_run, "CHECKPOINT_SECONDS", 0.0)
    records = lines(400)
    index_catalog(reader(tmp_path / "a.jsonl", records[:100]), MODEL, tmp_path / "index")
    index_catalog(reader(tmp_path / "b.jsonl", records), MODEL, tmp_path / "index")
    assert documents(tmp_path / "index") == by_id(records)


ACTIONS = ["index", "sync", "rebuild"]


def take(action: str, catalog: Path, path: Path) -> None:
    def opened(rejects: RejectLog) -> CatalogReader:
        return CatalogReader([catalog], rejects=rejects)

    if action == "index":
        index_catalog(opened(RejectLog()), MODEL, path)
    elif action == "sync":
        sync_catalog(opened, MODEL, path)
    else:
        rebuild_index(opened(RejectLog()), MODEL, path)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_disk_that_fills_up(
    small_disk: Path, tmp_path: Path, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was committed stays; with more room the same run goes on and ends as it should."""
    monkeypatch.setattr(catalog_windows, "WINDOW", 20)
    monkeypatch.setattr(indexer.catalog_run, "CHECKPOINT_SECONDS", 0.0)
    path = small_disk / "index"
    records = lines(100)
    old = [{**record, "title": "w9"} for record in records[:30]]
    index_catalog(reader(tmp_path / "old.jsonl", old), MODEL, path)
    (small_disk / "ballast").write_bytes(bytes(550_000))
    catalog = write_lines(tmp_path / "new.jsonl", records)
    with pytest.raises(IndexWriteError, match="free some space") as caught:
        take(action, catalog, path)
    assert "\n" not in str(caught.value)
    assert not verify_index(path, deep=True).damages
    wanted, before = by_id(records), by_id(old)
    now = documents(path)
    assert len(now) >= 30
    assert all(one in (before.get(name), wanted[name]) for name, one in now.items())
    if action == "rebuild":
        assert now == before
    (small_disk / "ballast").unlink()
    take(action, catalog, path)
    assert documents(path) == wanted


def test_deleting_on_a_disk_that_is_full(small_disk: Path, tmp_path: Path) -> None:
    path = small_disk / "index"
    index_catalog(reader(tmp_path / "old.jsonl", lines(30)), MODEL, path)
    before = documents(path)
    fill(small_disk)
    with IndexWriter(path) as writer:
        writer.delete([f"p{at}" for at in range(5)])
        try:
            writer.commit()
        except IndexWriteError:
            # There was no page left for the tombstones.
            assert documents(path) == before
            (small_disk / "ballast").unlink()
            writer.commit()
    assert len(documents(path)) == 25


def test_a_limit_on_the_size_of_files(tmp_path: Path) -> None:
    path = tmp_path / "index"
    old = lines(30)
    index_catalog(reader(tmp_path / "old.jsonl", old), MODEL, path)
    catalog = write_lines(tmp_path / "new.jsonl", lines(300))

    def limited() -> None:
        size = (path / "data.mdb").stat().st_size + 50_000
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        for action in ACTIONS:
            with pytest.raises(IndexWriteError, match="the index is as it was before"):
                take(action, catalog, path)

    in_child(limited)
    assert documents(path) == by_id(old)
    assert not verify_index(path, deep=True).damages
    take("index", catalog, path)
    assert len(documents(path)) == 300


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user can reach, which those of pytest are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def without_permission(work: Callable[[], None]) -> None:
    """Run in a process that may read the index and not write to it."""

    def nobody() -> None:
        if os.geteuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        work()

    in_child(nobody)


def test_no_permission_to_write(public_folder: Path) -> None:
    path = public_folder / "index"
    catalog = write_lines(public_folder / "catalog.jsonl", lines(10))
    take("index", catalog, path)
    before = documents(path)
    modes = {file: file.stat().st_mode for file in (public_folder, path, *path.iterdir())}
    for file in modes:
        file.chmod(0o555 if file.is_dir() else 0o444)

    works: list[Callable[[], object]] = [
        lambda: IndexWriter(path),
        lambda: IndexWriter(public_folder / "new", vocabulary_size=4),
        lambda: take("index", catalog, public_folder / "new"),
        *(partial(take, action, catalog, path) for action in ACTIONS),
    ]

    def refused() -> None:
        for work in works:
            with pytest.raises(IndexWriteError, match="ermission denied") as caught:
                work()
            assert "\n" not in str(caught.value)
        assert documents(path) == before

    without_permission(refused)
    for file, mode in modes.items():
        file.chmod(mode)
    assert documents(path) == before


def test_an_index_that_must_not_be_read(public_folder: Path) -> None:
    path = public_folder / "index"
    take("index", write_lines(public_folder / "catalog.jsonl", lines(3)), path)
    (path / "data.mdb").chmod(0)

    def refused() -> None:
        with pytest.raises(EngineError, match="ermission denied"):
            SearchEngine.open(path)
        with pytest.raises(EngineError, match="ermission denied"):
            IndexWriter(path)

    without_permission(refused)
    (path / "data.mdb").chmod(0o600)
    assert len(documents(path)) == 3


@pytest.mark.soak
def test_a_million_ids_of_five_hundred_bytes(tmp_path: Path) -> None:
    count, batch = 1_000_000, 20_000
    path = tmp_path / "index"
    if shutil.disk_usage(tmp_path).free < 4 << 30:
        pytest.skip("takes 4 GB of disk")

    def name(at: int) -> str:
        return f"{at:09d}-" + "ñ" * 245

    rows = csr_matrix((np.ones(batch), np.arange(batch) % 64, np.arange(batch + 1)), (batch, 64))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with IndexWriter(path, vocabulary_size=64, max_weight=1) as writer:
        for begin in range(0, count, batch):
            writer.add([name(at) for at in range(begin, begin + batch)], rows)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    # Three blocks' worth of ids, and the pages of the index that the system keeps mapped.
    assert grown < 2 << 30
    with IndexWriter(path) as writer:
        assert writer.delete([name(0), name(999_999), name(1_000_000)]) == [name(1_000_000)]
        assert len(writer) == count
    with SearchEngine.open(path) as engine:
        assert len(engine) == count - 2
        assert name(123_456) in engine
        assert name(0) not in engine
        assert engine.search_vector([1], [1.0], k=1)[0].id == name(1)
    assert not verify_index(path).damages


def test_what_a_writer_holds_in_memory_is_bounded_by_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer.uncommitted, "_PENDING_BYTES", 50_000)
    records = lines(60)
    with IndexWriter(tmp_path / "index", vocabulary_size=64, max_weight=1) as writer:
        for at, record in enumerate(records):
            row = csr_matrix(([1.0], ([0], [at])), (1, 64))
            writer.add([record["id"]], row, [record])
        # Full ones were committed as they came.
        assert 30 < len(writer) < 60
    assert json.dumps(documents(tmp_path / "index")["p7"]) == json.dumps(records[7])
