"""Compaction: the index of one writer, in a file without a page to spare, or the one before."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

import indexer.compaction
from engine import IndexLockedError, IndexNotFoundError, IndexWriteError, SearchEngine
from engine.storage import index_folder, keys
from engine.storage.snapshot import Snapshot
from engine.storage.store_writer import StoreWriter
from engine.storage.tree_file import TreeFileWriter
from indexer.compaction import compact
from indexer.index_writer import IndexWriter
from tests.engine.forked import in_child
from tests.engine.storage.test_store_writer import fill, small_disk
from tests.indexer.test_merging import collection

__all__ = ["small_disk"]

WIDTH = 30
COUNT = 300


def build(path: Path, rows: csr_matrix, order: list[int], step: int) -> None:
    """Documents `order`, those of equal number replaced, `step` with each commit."""
    with IndexWriter(path, vocabulary_size=WIDTH, max_weight=2) as writer:
        for begin in range(0, len(order), step):
            part = order[begin : begin + step]
            writer.upsert(
                [f"id-{at}" for at in part], rows[part], [{"n": at, "x": "y" * 50} for at in part]
            )
            writer.commit()


def answers(path: Path) -> list[Any]:
    with SearchEngine.open(path) as engine:
        said: list[Any] = [len(engine)]
        for terms in ([1, 5, 28], list(range(WIDTH))):
            hits = engine.search_vector(terms, np.linspace(1, 2, len(terms)), k=COUNT)
            said.append([(hit.id, hit.score, hit.document) for hit in hits])
        return said


def parts(path: Path) -> dict[bytes, bytes]:
    """Payloads by key, with segments numbered from 0 in their order."""
    snapshot = Snapshot(path)
    numbers = [segment.record.number for segment in snapshot.segments]
    found = {}
    for key, value in snapshot.entries(keys.SEGMENTS):
        number = numbers.index(int(key.split(b"/")[1]))
        found[b"%d/" % number + key.split(b"/", 2)[2]] = bytes(value[48:])
    snapshot.close()
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An index of many commits, with a third of its documents replaced and a third deleted."""
    path = tmp_path / "index"
    rows = collection(COUNT, seed=2)
    build(path, rows, [*range(COUNT), *range(100, 200)], 23)
    with IndexWriter(path) as writer:
        writer.delete([f"id-{at}" for at in range(100)])
    return path


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """What remains of it, written at once."""
    path = tmp_path / "fresh"
    build(path, collection(COUNT, seed=2), [*range(200, COUNT), *range(100, 200)], COUNT)
    return path


def test_a_compact_is_a_fresh_one(path: Path, fresh: Path) -> None:
    before = answers(path)
    summary = compact(path)
    assert answers(path) == before == answers(fresh)
    assert parts(path) == parts(fresh)
    assert summary.documents == 200
    assert (summary.segments, len(Snapshot(path).segments)) == (1, 1)
    assert summary.bytes == (path / "data.mdb").stat().st_size < summary.bytes_before
    assert summary.bytes <= (fresh / "data.mdb").stat().st_size
    assert sorted(file.name for file in path.iterdir()) == ["data.mdb", "lock.mdb", "writer.lock"]


def test_what_is_compact_is_left_alone(path: Path) -> None:
    compact(path)
    inode = (path / "data.mdb").stat().st_ino
    summary = compact(path)
    assert summary.dropped == 0
    assert summary.bytes == summary.bytes_before
    assert (path / "data.mdb").stat().st_ino == inode


def test_life_goes_on_after_it(path: Path, fresh: Path) -> None:
    for at in range(3):
        compact(path)
        for index in (path, fresh):
            with IndexWriter(index) as writer:
                writer.delete([f"id-{250 + at}"])
                writer.update_documents(["id-150"], [{"price": at}])
        assert answers(path) == answers(fresh)
    snapshot = Snapshot(path)
    numbers = [segment.record.number for segment in snapshot.segments]
    assert snapshot.manifest.next_segment > max(numbers) >= 10
    snapshot.close()


def test_blocks_are_filled(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexer.compaction, "MAX_BLOCK_DOCUMENTS", 64)
    before = answers(path)
    assert compact(path).segments == 4
    snapshot = Snapshot(path)
    assert [one.record.documents for one in snapshot.segments] == [64, 64, 64, 8]
    numbers = [one.record.number for one in snapshot.segments]
    snapshot.close()
    assert answers(path) == before
    with StoreWriter(path) as store:
        store.commit((), {numbers[2]: np.arange(64) == 5})
    compact(path)
    snapshot = Snapshot(path)
    # What is full and whole is copied as it is.
    assert [one.record.number for one in snapshot.segments][:2] == numbers[:2]
    assert [one.record.documents for one in snapshot.segments] == [64, 64, 64, 7]
    snapshot.close()


def test_blocks_are_filled_by_bytes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexer.compaction, "LARGEST_MERGE_BYTES", 5_000)
    before = answers(path)
    compact(path)
    snapshot = Snapshot(path)
    sizes = [int(one.document_lengths().sum()) for one in snapshot.segments]
    assert all(5_000 <= total < 5_200 for total in sizes[:-1])
    assert sizes[-1] < 5_200
    snapshot.close()
    assert answers(path) == before


def test_an_empty_index(tmp_path: Path) -> None:
    path = tmp_path / "index"
    build(path, collection(5, seed=1), list(range(5)), 5)
    with IndexWriter(path) as writer:
        writer.delete([f"id-{at}" for at in range(5)])
    compact(path)
    assert answers(path) == [0, [], []]
    build(path, collection(5, seed=1), [3], 5)
    assert answers(path)[0] == 1


def test_documents_of_some_segments(tmp_path: Path) -> None:
    rows = collection(12, seed=1)
    with IndexWriter(tmp_path / "index", vocabulary_size=WIDTH, max_weight=2) as writer:
        for begin in range(0, 12, 3):
            ids = [f"id-{at}" for at in range(begin, begin + 3)]
            documents = [{"n": at} for at in ids] if begin in (3, 6) else None
            writer.upsert(ids, rows[begin : begin + 3], documents)
            writer.commit()
    before = answers(tmp_path / "index")
    assert compact(tmp_path / "index").segments == 3
    assert answers(tmp_path / "index") == before


def test_what_is_no_index_is_left_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError):
        compact(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
    with pytest.raises(IndexNotFoundError):
        compact(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_writer_at_work_is_told(path: Path) -> None:
    with IndexWriter(path), pytest.raises(IndexLockedError, match="another writer is at work"):
        compact(path)


class FullDisk:
    """A file that takes so many bytes and no more."""

    def __init__(self, file: Any, room: int) -> None:
        self._file, self._left = file, room

    def write(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._file.write(data)

    def seek(self, at: int) -> None:
        self._file.seek(at)


@pytest.mark.parametrize("share", [0, 0.1, 0.3, 0.5, 0.8, 0.99])
def test_a_full_disk(
    path: Path, fresh: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    """After a share of the new file the disk is full."""
    before = answers(path)
    room = int(compact(fresh).bytes * share)

    def limited(file: Any, page_size: int) -> TreeFileWriter:
        full: Any = FullDisk(file, room)
        return TreeFileWriter(full, page_size)

    monkeypatch.setattr(indexer.compaction, "TreeFileWriter", limited)
    with pytest.raises(IndexWriteError, match="is as it was before: No space left on device"):
        compact(path)
    assert sorted(file.name for file in path.iterdir()) == ["data.mdb", "lock.mdb", "writer.lock"]
    monkeypatch.undo()
    assert answers(path) == before
    compact(path)
    assert answers(path) == before


def test_a_disk_that_is_really_full(path: Path, small_disk: Path) -> None:
    copy = small_disk / "index"
    copy.mkdir()
    (copy / "data.mdb").write_bytes((path / "data.mdb").read_bytes())
    before = answers(copy)
    fill(small_disk)
    with pytest.raises(IndexWriteError, match="No space left"):
        compact(copy)
    assert answers(copy) == before


POINTS = ["mkdir", "first value", "last value", "written", "synced", "locked", "renamed", "done"]


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point(path: Path, point: str) -> None:
    """The index before or the index after; a reader of the old one reads on; leftovers go."""
    before = answers(path)
    with SearchEngine.open(path) as opened:

        def killed() -> None:
            patch = pytest.MonkeyPatch()
            kill_at(point, patch)
            compact(path)

        child = os.fork()
        if not child:
            killed()
            os._exit(1)
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL
        assert answers(path) == before
        hits = opened.search_vector([1, 5, 28], np.linspace(1, 2, 3), k=COUNT)
        assert [(hit.id, hit.score, hit.document) for hit in hits] == before[1]
        assert opened.refresh() == (point in ("renamed", "done"))
        with IndexWriter(path) as writer:
            writer.update_documents(["id-150"], [{"n": 150, "x": "y" * 50}])
        assert sorted(file.name for file in path.iterdir()) == [
            "data.mdb",
            "lock.mdb",
            "writer.lock",
        ]
        compact(path)
        assert opened.refresh()
        assert sorted(answers(path)[2]) == sorted(before[2])


def kill_at(point: str, patch: pytest.MonkeyPatch) -> None:
    def dying(target: Any, name: str, *, after: bool = False) -> None:
        original = getattr(target, name)

        def die(*arguments: Any, **options: Any) -> None:
            if after:
                original(*arguments, **options)
            os.kill(os.getpid(), signal.SIGKILL)

        patch.setattr(target, name, die)

    match point:
        case "mkdir":
            dying(indexer.compaction, "TreeFileWriter")
        case "first value":
            dying(TreeFileWriter, "put", after=True)
        case "last value":
            dying(TreeFileWriter, "finish")
        case "written":
            dying(os, "fsync")
        case "synced":
            dying(indexer.compaction, "replace_data_file")
        case "locked":
            dying(index_folder, "reserve_lock_file", after=True)
        case "renamed":
            dying(Path, "replace", after=True)
        case "done":
            dying(index_folder, "sync_folder")


def renamed_and_gone(source: Path, target: Path) -> None:
    source.rename(target)
    os._exit(0)


def test_the_lock_file_follows_the_data_file(path: Path) -> None:
    """A reader of the old file and one of the new have a table each, after a crash between."""
    opened = SearchEngine.open(path)
    old = (path / "lock.mdb").stat().st_ino

    def killed() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, "replace", renamed_and_gone)
            compact(path)

    in_child(killed)
    assert (path / "lock.mdb").stat().st_ino == old
    assert opened.refresh()
    assert (path / "lock.mdb").stat().st_ino != old
    opened.close()


def test_readers_of_other_processes_go_on(path: Path) -> None:
    before = answers(path)
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            with SearchEngine.open(path) as opened:
                os.write(ready[1], b"x")
                os.read(go[0], 1)
                hits = opened.search_vector([1, 5, 28], np.linspace(1, 2, 3), k=COUNT)
                found = [(hit.id, hit.score, hit.document) for hit in hits]
                same = found == before[1] and opened.refresh() and not opened.refresh()
                code = not (same and len(opened) == 200)
        finally:
            os._exit(code)
    os.read(ready[0], 1)
    compact(path)
    with StoreWriter(path) as store:
        store.commit()
        store.commit()
    os.write(go[1], b"x")
    assert os.waitpid(child, 0)[1] == 0
    for end in (*ready, *go):
        os.close(end)
