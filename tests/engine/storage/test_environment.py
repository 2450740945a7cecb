"""Environments: one for each file and process, checked before they are mapped."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import lmdb
import pytest

from engine.errors import EngineError, IndexDamagedError, IndexNotFoundError, IndexWriteError
from engine.storage import lmdb_handle
from engine.storage.environment import Environment
from engine.storage.writer_lock import writer_lock
from tests.engine.storage.contents import open_store, segment_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with open_store(tmp_path / "index") as store:
        store.commit([segment_of(["a", "b"])])
    return tmp_path / "index"


def test_users_share_an_environment(path: Path) -> None:
    first = Environment.attach(path)
    link = path.parent / "link"
    link.symlink_to(path)
    second = Environment.attach(link)
    assert first is second
    first.detach()
    second.begin_read().abort()
    second.detach()
    assert second.is_closed
    third = Environment.attach(path)
    assert third is not first
    third.detach()


def test_an_index_that_was_replaced_is_another_one(path: Path) -> None:
    old = Environment.attach(path)
    path.rename(path.parent / "old")
    with open_store(path) as store:
        store.commit([segment_of(["c"])])
    new = Environment.attach(path)
    assert new is not old
    old.detach()
    new.detach()


def test_nothing_there(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "missing"):
        with pytest.raises(IndexNotFoundError, match="engine index CATALOG"):
            Environment.attach(place)
    assert not (tmp_path / "missing").exists()


def test_places_that_can_hold_no_index(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(IndexWriteError, match="cannot be written to"), writer_lock(file):
        pass
    with pytest.raises(EngineError):
        Environment.attach(file, create=True)
    with pytest.raises(IndexWriteError), writer_lock(tmp_path / ("x" * 300)):
        pass
    (tmp_path / "data.mdb").mkdir()
    with pytest.raises(EngineError):
        Environment.attach(tmp_path)


def test_no_permission_to_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(self: Path, **_: object) -> os.stat_result:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", forbidden)
    with pytest.raises(IndexWriteError, match="Permission denied"):
        Environment.attach(tmp_path)


def test_smaller_maps_are_tried(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    original = lmdb.open

    def limited(*args: Any, **options: Any) -> Any:
        sizes.append(options["map_size"])
        if len(sizes) < 3:
            raise lmdb.MemoryError("no such space")
        return original(*args, **options)

    monkeypatch.setattr(lmdb, "open", limited)
    Environment.attach(path).detach()
    assert sizes == list(lmdb_handle._MAP_SIZES[:3])


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (lmdb.InvalidError("not an LMDB file"), IndexDamagedError),
        (lmdb.Error("no such luck"), IndexWriteError),
    ],
)
def test_what_lmdb_refuses_to_open(
    path: Path, monkeypatch: pytest.MonkeyPatch, refusal: Exception, error: type[EngineError]
) -> None:
    def refuse(*_: object, **__: object) -> object:
        raise refusal

    monkeypatch.setattr(lmdb, "open", refuse)
    with pytest.raises(error, match=str(refusal)):
        Environment.attach(path)


def test_more_snapshots_than_there_are_readers(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lmdb_handle, "_MAX_READERS", 4)
    monkeypatch.setattr(lmdb_handle, "LOCK_FILE_BYTES", 192 + 3 * 64)
    (path / "lock.mdb").unlink()
    opened = Environment.attach(path)
    transactions = []
    with pytest.raises(EngineError, match="no snapshot can be taken"):
        for _ in range(10):
            transactions.append(opened.begin_read())
    assert len(transactions) == 4
    for transaction in transactions:
        transaction.abort()
    opened.detach()


def test_the_lock_file_has_its_space(path: Path) -> None:
    status = (path / "lock.mdb").stat()
    assert status.st_size == lmdb_handle.LOCK_FILE_BYTES
    assert status.st_blocks * 512 >= status.st_size
