"""The files of an index folder: as durable as what is in them, and never swapped while in use."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from engine import IndexWriteError, SearchEngine, back_up
from engine.storage import index_folder, unfinished_rebuild
from engine.storage.index_folder import (
    COMPACTION_FOLDER,
    DATA_FILE,
    REBUILD_FOLDER,
    make_folder,
    replace_data_file,
    sync_folder,
)
from engine.storage.lmdb_handle import LOCK_FILE_BYTES
from engine.storage.snapshot import Snapshot
from engine.storage.unfinished_run import UnfinishedRun
from tests.engine.storage.contents import open_store, segment_of


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that were synced."""
    folders: list[Path] = []
    sync = os.fsync

    def seen(descriptor: int) -> None:
        place = Path(f"/proc/self/fd/{descriptor}").readlink()
        if place.is_dir():
            folders.append(place)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", seen)
    return folders


def fill(path: Path, name: str = "a") -> None:
    with open_store(path) as store:
        store.commit([segment_of([name], documents=[{}])])


def test_a_new_index_and_its_folders_are_durable(tmp_path: Path, synced: list[Path]) -> None:
    fill(tmp_path / "new" / "index")
    assert set(synced) == {tmp_path, tmp_path / "new", tmp_path / "new" / "index"}


def test_a_backup_and_its_folders_are_durable(tmp_path: Path, synced: list[Path]) -> None:
    fill(tmp_path / "index")
    synced.clear()
    back_up(tmp_path / "index", tmp_path / "new" / "copy")
    assert set(synced) == {tmp_path, tmp_path / "new", tmp_path / "new" / "copy"}


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "index"):
        with pytest.raises(OSError):
            make_folder(place)
    make_folder(tmp_path)


@pytest.mark.parametrize(
    ("code", "is_told"),
    [(errno.EINVAL, False), (errno.ENOTSUP, False), (errno.EROFS, False), (errno.EIO, True)],
)
def test_syncing_a_folder_tells_of_a_failing_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, is_told: bool
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    if is_told:
        with pytest.raises(OSError, match="Input/output"):
            sync_folder(tmp_path)
    else:
        sync_folder(tmp_path)


def failing(folder: Path) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_disk_that_fails_after_the_switch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "index", "old")
    fill(tmp_path / "index" / "staged", "new")
    monkeypatch.setattr(index_folder, "sync_folder", failing)
    with pytest.raises(IndexWriteError, match="has taken the place"):
        replace_data_file(
            tmp_path / "index", tmp_path / "index" / "staged" / "data.mdb", LOCK_FILE_BYTES
        )
    with SearchEngine.open(tmp_path / "index") as opened:
        assert "new" in opened


def test_a_backup_on_a_disk_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "index")
    (tmp_path / "copy").mkdir()
    monkeypatch.setattr("engine.storage.backup.sync_folder", failing)
    with pytest.raises(IndexWriteError, match="nothing is left"):
        back_up(tmp_path / "index", tmp_path / "copy")
    assert not list((tmp_path / "copy").iterdir())


def test_a_rebuilt_index_does_not_switch_while_its_run_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "index"
    fill(path, "old")
    fill(path / REBUILD_FOLDER, "new")
    staged = path / REBUILD_FOLDER / "data.mdb"
    switched = threading.Event()

    def switch() -> None:
        replace_data_file(path, staged, LOCK_FILE_BYTES)
        switched.set()

    thread = threading.Thread(target=switch)
    read_runs = Snapshot.unfinished_runs
    stayed: list[bool] = []

    def reading(self: Snapshot) -> tuple[UnfinishedRun, ...]:
        thread.start()
        # A writer that did not wait would be done by then.
        stayed.append(not switched.wait(0.3))
        return read_runs(self)

    monkeypatch.setattr(Snapshot, "unfinished_runs", reading)
    assert unfinished_rebuild.unfinished_rebuild(path) == ()
    thread.join(20)
    assert stayed == [True]
    assert switched.is_set()
    with SearchEngine.open(path) as opened:
        assert "new" in opened


def test_nothing_but_the_files_of_an_index_is_removed(tmp_path: Path) -> None:
    fill(tmp_path / "index")
    own = tmp_path / "index" / COMPACTION_FOLDER
    own.mkdir()
    (own / DATA_FILE).write_bytes(b"left by a killed process")
    (own / "notes.txt").write_text("of somebody else")
    fill(tmp_path / "index", "b")
    assert [file.name for file in own.iterdir()] == ["notes.txt"]
    (own / "notes.txt").unlink()
    fill(tmp_path / "index", "c")
    assert not own.exists()
