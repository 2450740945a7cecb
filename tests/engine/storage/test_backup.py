"""Backups: the same answers from a file without a page to spare, or nothing at all."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from engine import (
    IndexDamagedError,
    IndexNotFoundError,
    IndexWriteError,
    SearchEngine,
    UsageError,
    back_up,
    stream_backup,
    verify_index,
)
from engine.storage.snapshot import Snapshot
from tests.engine.storage.contents import WIDTH, large_segment, open_store, segment_of
from tests.engine.storage.test_store_writer import fill, small_disk

__all__ = ["small_disk"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An index of many commits, with free pages, many segments and a branch page."""
    path = tmp_path / "index"
    for at in range(12):
        with open_store(path) as store:
            dropped = [store.manifest.segments[0].number] if at % 4 == 3 else []
            store.commit([large_segment(10 * at, 6, 3000)], dropped=dropped)
    return path


def contents(path: Path) -> list[Any]:
    with SearchEngine.open(path) as opened:
        hits = opened.search_vector(list(range(WIDTH)), [1.0] * WIDTH, k=200)
        return [(hit.id, hit.score, hit.stored) for hit in hits]


@pytest.fixture
def before(path: Path) -> list[Any]:
    return contents(path)


def test_a_backup_is_an_index(path: Path, before: list[Any], tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    size = back_up(path, tmp_path / "new" / "copy", progress=lambda *pair: seen.append(pair))
    copy = tmp_path / "new" / "copy"
    assert [file.name for file in copy.iterdir()] == ["data.mdb"]
    assert size == (copy / "data.mdb").stat().st_size < (path / "data.mdb").stat().st_size
    assert all(0 < done <= total == size for done, total in seen)
    assert contents(copy) == before
    assert verify_index(copy, deep=True).is_sound
    with open_store(copy) as store:
        store.commit([segment_of(["new"])])
    assert len(contents(copy)) == len(before) + 1
    assert contents(path) == before
    assert back_up(copy, tmp_path / "second") > 0
    assert contents(tmp_path / "second") == contents(copy)


def test_a_stream_is_the_same_file(path: Path, tmp_path: Path) -> None:
    back_up(path, tmp_path / "copy")
    whole = (tmp_path / "copy" / "data.mdb").read_bytes()
    received: list[bytes] = []
    read_end, write_end = os.pipe()

    def receive() -> None:
        with os.fdopen(read_end, "rb") as file:
            received.append(file.read())

    reader = threading.Thread(target=receive)
    reader.start()
    with os.fdopen(write_end, "wb") as pipe:
        assert stream_backup(path, pipe) == len(whole)
    reader.join(30)
    assert received == [whole]


def test_the_folder_may_be_there_and_empty(path: Path, before: list[Any], tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    back_up(path, tmp_path / "copy")
    assert contents(tmp_path / "copy") == before


def test_what_is_there_is_never_overwritten(path: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not empty"):
        back_up(path, tmp_path)
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(UsageError, match="is a file"):
        back_up(path, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"x"


def test_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError):
        back_up(tmp_path / "nothing", tmp_path / "copy")
    with pytest.raises(IndexNotFoundError):
        stream_backup(tmp_path / "nothing", io.BytesIO())
    assert not list(tmp_path.iterdir())


def test_damage_is_not_copied(path: Path, before: list[Any], tmp_path: Path) -> None:
    data = bytearray((path / "data.mdb").read_bytes())
    at = data.index(before[-1][2])
    data[at + 5] ^= 1
    (path / "data.mdb").write_bytes(data)
    with pytest.raises(IndexDamagedError, match="documents is damaged"):
        back_up(path, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(IndexDamagedError):
        back_up(path, tmp_path / "empty")
    assert not list((tmp_path / "empty").iterdir())
    stream = io.BytesIO()
    with pytest.raises(IndexDamagedError):
        stream_backup(path, stream)
    (tmp_path / "empty" / "data.mdb").write_bytes(stream.getvalue())
    with pytest.raises(IndexDamagedError, match="truncated"):
        SearchEngine.open(tmp_path / "empty")


class Full(io.BytesIO):
    """Takes so much and no more."""

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > 30_000:
            raise OSError(28, "No space left on device")
        return super().write(data)


def test_a_stream_that_cannot_be_written(path: Path) -> None:
    with pytest.raises(IndexWriteError, match="No space left on device; what was written"):
        stream_backup(path, Full())
    read_end, write_end = os.pipe()
    os.close(read_end)
    with pytest.raises(BrokenPipeError), os.fdopen(write_end, "wb") as pipe:
        stream_backup(path, pipe)


def test_a_full_disk(path: Path, small_disk: Path) -> None:
    fill(small_disk)
    (small_disk / "empty").mkdir()
    for folder in (small_disk / "copy", small_disk / "empty"):
        with pytest.raises(IndexWriteError, match="could not be written: No space left"):
            back_up(path, folder)
    assert not (small_disk / "copy").exists()
    assert not list((small_disk / "empty").iterdir())


def test_while_writing_goes_on(path: Path, before: list[Any], tmp_path: Path) -> None:
    """The copy is of the commit in which it began, whatever is committed meanwhile."""
    written: list[int] = []

    def commit(done: int, total: int) -> None:
        if len(written) < 5:
            with open_store(path) as store:
                first = store.manifest.segments[0].number
                written.append(
                    store.commit([large_segment(500, 6, 3000)], dropped=[first]).documents
                )

    back_up(path, tmp_path / "copy", progress=commit)
    assert len(written) == 5
    assert contents(tmp_path / "copy") == before
    assert verify_index(tmp_path / "copy", deep=True).is_sound
    snapshot = Snapshot(tmp_path / "copy")
    assert snapshot.manifest.transaction == 1
    snapshot.close()


@pytest.mark.parametrize("inside", ["", "copy", "compaction", "rebuild/deeper"])
def test_the_index_is_no_place_for_its_backup(path: Path, inside: str) -> None:
    with pytest.raises(UsageError, match="is inside the index"):
        back_up(path, path / inside)
    assert {file.name for file in path.iterdir()} == {"data.mdb", "lock.mdb", "writer.lock"}
