"""The store writer: a commit is all or nothing, whatever happens in the middle of it."""

from __future__ import annotations

import ctypes
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.errors import (
    IndexDamagedError,
    IndexLockedError,
    IndexNotFoundError,
    IndexWriteError,
    ModelMismatchError,
    UsageError,
)
from engine.search_engine import SearchEngine
from engine.storage import environment, lmdb_handle, writer_lock
from engine.storage.envelope import seal
from engine.storage.manifest import ModelRecord
from engine.storage.segment_content import MergedSegments
from engine.storage.snapshot import Snapshot
from engine.storage.store_writer import QuerySide, StoreWriter
from engine.storage.verification import verify_index
from tests.engine.storage.contents import WIDTH, large_segment, open_store, segment_of
from tests.engine.storage.writer_worker import DOCUMENTS_A_COMMIT

ROOT = Path(__file__).parents[3]


def worker(action: str, path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.engine.storage.writer_worker", action, path],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


class KillableWriter:
    """Writers that commit on and on, one after another, each until it is killed."""

    def __init__(self, path: Path) -> None:
        self._process = worker("forever", path)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout

    def __enter__(self) -> KillableWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)

    def start(self) -> None:
        self._stdin.write("\n")
        self._stdin.flush()
        self._writer = int(self._stdout.readline())

    def documents(self) -> int:
        """How many documents there are after its next commit."""
        return int(self._stdout.readline())

    def kill(self) -> list[int]:
        """Kill the writer; returns what it still said."""
        os.kill(self._writer, signal.SIGKILL)
        return [int(line) for line in iter(self._stdout.readline, "dead\n")]


def assert_whole(path: Path, documents: int) -> None:
    """The index at `path` holds documents `id-0`... and every part of them can be read."""
    with SearchEngine.open(path) as engine:
        assert len(engine) == documents
        hits = engine.search_vector(np.arange(WIDTH), np.ones(WIDTH), k=max(documents, 1))
        assert sorted(hit.id for hit in hits) == sorted(f"id-{at}" for at in range(documents))
        for hit in hits:
            assert hit.stored
            assert engine.get(hit.id) == hit.document
    with open_store(path) as store:
        assert store.manifest.documents == documents


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where an index with three documents is."""
    path = tmp_path / "index"
    with open_store(path) as store:
        store.commit([large_segment(0, 3)])
    return path


@pytest.mark.parametrize("failing", [0, 5, 17, 30, 50])
@pytest.mark.parametrize("error", [MemoryError(), OSError(28, "No space left on device")])
def test_a_failure_in_the_middle_leaves_the_index_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch, failing: int, error: Exception
) -> None:
    sealed = 0

    def fail_at_last(key: bytes, payload: bytes) -> memoryview:
        nonlocal sealed
        sealed += 1
        if sealed > failing:
            raise error
        return seal(key, payload)

    with open_store(path) as store:
        before = store.manifest
        with monkeypatch.context() as patch:
            patch.setattr(environment, "seal", fail_at_last)
            with pytest.raises(IndexWriteError, match="the index is as it was before") as caught:
                store.commit([large_segment(at, 2) for at in range(3, 13, 2)])
        assert "\n" not in str(caught.value)
        assert store.manifest == before
        store.commit([large_segment(3, 2)])
    assert_whole(path, 5)


def test_an_error_that_is_nobodys_fault_leaves_the_index_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(key: bytes, payload: bytes) -> memoryview:
        raise KeyboardInterrupt

    monkeypatch.setattr(environment, "seal", interrupted)
    with pytest.raises(KeyboardInterrupt), open_store(path) as store:
        store.commit([large_segment(3, 2)])
    monkeypatch.undo()
    assert_whole(path, 3)


@pytest.mark.parametrize("number", [1, 2, 99])
def test_only_segments_that_are_there_are_dropped_or_merged(path: Path, number: int) -> None:
    with open_store(path) as store:
        before = store.manifest
        # A commit of one segment more would give it this number, or the next.
        assert before.next_segment == 1
        for unknown in (
            {"dropped": [number]},
            {"merged": MergedSegments([0, number], segment_of(["id-0"]))},
        ):
            with pytest.raises(UsageError, match=f"no segment {number} to drop or merge"):
                store.commit([large_segment(3, 2)], **unknown)
        assert store.manifest == before
        store.commit([large_segment(3, 2)])
    assert_whole(path, 5)


def test_a_file_size_limit(path: Path) -> None:
    size = (path / "data.mdb").stat().st_size
    limits = [size, size + 4096, size + 40_000, size + 200_000, 4 * size]
    with worker("limited", path) as process:
        said, _ = process.communicate("".join(f"{limit}\n" for limit in limits), timeout=60)
    lines = said.splitlines()
    assert len(lines) == len(limits)
    assert all(line.startswith("IndexWriteError: ") for line in lines), lines
    assert_whole(path, 3)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte, where the system lets tests mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if sys.platform != "linux" or libc.mount(
        b"tmpfs", os.fsencode(folder), b"tmpfs", 0, b"size=1m"
    ):
        pytest.skip("mounting a small file system takes root on Linux")
    try:
        yield folder
    finally:
        assert libc.umount2(os.fsencode(folder), 2) == 0


def fill(folder: Path) -> None:
    with (folder / "ballast").open("wb", buffering=0) as file, pytest.raises(OSError):
        while True:
            file.write(bytes(4096))


def test_a_full_disk(small_disk: Path) -> None:
    path = small_disk / "index"
    with open_store(path) as store:
        store.commit([large_segment(0, 3)])
        for _ in range(2):
            with pytest.raises(IndexWriteError, match="free some space"):
                store.commit([large_segment(3, 60)])
        assert_searchable(path, 3)
    fill(small_disk)
    with open_store(path) as store, pytest.raises(IndexWriteError, match="free some space"):
        store.commit([large_segment(3, 60)])
    assert_searchable(path, 3)
    (small_disk / "ballast").unlink()
    with open_store(path) as store:
        store.commit([large_segment(3, 2)])
    assert_whole(path, 5)


def assert_searchable(path: Path, documents: int) -> None:
    with SearchEngine.open(path) as engine:
        assert len(engine.search_vector(np.arange(WIDTH), np.ones(WIDTH))) == documents


def test_a_full_disk_does_not_kill_who_opens_an_index(path: Path, small_disk: Path) -> None:
    """LMDB maps its lock file: without space for it, touching it would be a SIGBUS."""
    copy = small_disk / "index"
    copy.mkdir()
    (copy / "data.mdb").write_bytes((path / "data.mdb").read_bytes())
    fill(small_disk)
    with pytest.raises(IndexWriteError, match="No space left"):
        SearchEngine.open(copy)
    with pytest.raises(IndexWriteError, match="No space left"):
        open_store(small_disk / "new")
    assert not (small_disk / "new").exists()


def test_the_map_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lmdb_handle, "_MAP_SIZES", (1 << 17,))
    path = tmp_path / "index"
    with open_store(path) as store:
        store.commit([large_segment(0, 2)])
        store.commit([large_segment(2, 30)])
        store.commit([large_segment(32, 1)])
        store.commit([large_segment(33, 60)])
    # The next one begins with a map that is smaller than the index.
    with open_store(path) as store:
        store.commit([large_segment(93, 40)])
    assert_whole(path, 133)


def test_the_map_does_not_move_from_under_a_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lmdb_handle, "_MAP_SIZES", (1 << 18,))
    path = tmp_path / "index"
    with open_store(path) as store:
        store.commit([large_segment(0, 2)])
        with SearchEngine.open(path) as engine:
            with pytest.raises(IndexWriteError, match="close those engines"):
                store.commit([large_segment(2, 30)])
            assert len(engine.search_vector(np.arange(WIDTH), np.ones(WIDTH))) == 2
        store.commit([large_segment(2, 30)])
    assert_whole(path, 32)


def test_a_second_writer_in_this_process(path: Path) -> None:
    message = rf"another writer.*process {os.getpid()}\)"
    with open_store(path), pytest.raises(IndexLockedError, match=message):
        open_store(path)
    open_store(path).close()


def test_a_second_writer_in_another_process(path: Path) -> None:
    with worker("hold", path) as process:
        assert process.stdout is not None
        number = process.stdout.readline().strip()
        with pytest.raises(IndexLockedError, match=f"process {number}"):
            open_store(path)
        assert_searchable(path, 3)
        process.communicate("\n", timeout=60)
    assert_whole(path, 3)


def test_a_lock_whose_file_was_removed_is_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that leaves nothing behind removes the lock that the next one has just opened."""
    path = tmp_path / "index"
    original = writer_lock._open_writer_lock

    def removed_meanwhile(folder: Path) -> int:
        monkeypatch.undo()
        descriptor = original(folder)
        (folder / "writer.lock").unlink()
        return descriptor

    monkeypatch.setattr(writer_lock, "_open_writer_lock", removed_meanwhile)
    with open_store(path) as store:
        with pytest.raises(IndexLockedError):
            open_store(path)
        store.commit([large_segment(0, 2)])
    assert_whole(path, 2)


def test_a_killed_writer_leaves_the_last_commit(tmp_path: Path) -> None:
    path = tmp_path / "index"
    rng = random.Random(2)
    kept = 0
    with KillableWriter(path) as writer:
        for _ in range(9):
            writer.start()
            counts = [writer.documents()]
            time.sleep(rng.random() * 0.1)
            counts += writer.kill()
            assert counts[0] == kept + DOCUMENTS_A_COMMIT
            with open_store(path) as store:
                # What it said was committed is there, and perhaps a commit it had no time to tell.
                kept = store.manifest.documents
            assert kept in (counts[-1], counts[-1] + DOCUMENTS_A_COMMIT)
            assert_searchable(path, 10)
    assert_whole(path, kept)


def test_a_reader_keeps_its_commit(path: Path) -> None:
    def answer(engine: SearchEngine) -> list[tuple[str, float, object]]:
        hits = engine.search_vector(np.arange(WIDTH), np.ones(WIDTH), k=100)
        return [(hit.id, hit.score, hit.document) for hit in hits]

    with SearchEngine.open(path) as engine:
        before = answer(engine)
        with KillableWriter(path) as writer:
            writer.start()
            for _ in range(4):
                documents = writer.documents()
                assert answer(engine) == before
                assert len(engine) == 3
                with SearchEngine.open(path) as later:
                    assert len(later) >= documents
                    # Of the same environment in this process, and of a newer commit.
                    assert len(answer(later)) == min(len(later), 100)
            writer.kill()
        assert answer(engine) == before


@pytest.mark.parametrize("first_run", ["begun", "uncommitted"])
def test_a_first_run_that_was_killed_at_once(tmp_path: Path, first_run: str) -> None:
    path = tmp_path / "index"
    if first_run == "begun":
        path.mkdir()
        (path / "data.mdb.part").write_bytes(b"half")
        (path / "writer.lock").touch()
    else:
        writer = open_store(path)
        data = (path / "data.mdb").read_bytes()
        writer.close()
        path.mkdir()
        (path / "data.mdb").write_bytes(data)
    with pytest.raises(IndexNotFoundError):
        SearchEngine.open(path)
    with open_store(path) as store:
        store.commit([large_segment(0, 2)])
    assert_whole(path, 2)
    assert not (path / "data.mdb.part").exists()


def test_a_data_file_is_whole_from_the_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that an empty one is known to have been truncated."""
    sizes: list[int] = []
    replace = Path.replace

    def watched(self: Path, target: Path) -> Path:
        assert not target.exists()
        sizes.append(self.stat().st_size)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", watched)
    with open_store(tmp_path / "index") as store:
        assert sizes == [2 * os.sysconf("SC_PAGE_SIZE")]
        store.commit([large_segment(0, 2)])
    assert_whole(tmp_path / "index", 2)


def test_an_index_that_was_truncated_to_nothing(path: Path) -> None:
    (path / "data.mdb").write_bytes(b"")
    for opening in (SearchEngine.open, open_store):
        with pytest.raises(IndexDamagedError, match=r"truncated.*with --rebuild --model"):
            opening(path)
    assert (path / "data.mdb").read_bytes() == b""
    assert "truncated" in str(verify_index(path).damages[0])


def test_what_was_never_committed_leaves_nothing(tmp_path: Path) -> None:
    open_store(tmp_path / "new" / "index").close()
    assert not (tmp_path / "new" / "index").exists()
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "notes.txt").write_text("keep me")
    open_store(folder).close()
    assert [file.name for file in folder.iterdir()] == ["notes.txt"]


def test_closing_twice_leaves_engines_of_this_process_alone(path: Path) -> None:
    with SearchEngine.open(path) as engine:
        store = open_store(path)
        store.close()
        store.close()
        assert len(engine.search_vector([0], [1.0])) == 1
        with pytest.raises(UsageError, match="closed"):
            store.commit([large_segment(3, 1)])
    assert_whole(path, 3)


def test_segments_and_deletions_are_published_together(path: Path) -> None:
    with open_store(path) as store:
        assert store.manifest.next_segment == 1
        store.commit(
            [segment_of(["id-1", "new"]), segment_of(["other", "gone"])],
            {0: np.array([False, True, False]), 2: np.array([False, True])},
        )
        assert [record.deleted for record in store.manifest.segments] == [1, 0, 1]
        snapshot = store.snapshot()
        assert snapshot is not None
        assert snapshot.manifest == store.manifest
        assert [snapshot.find(name) for name in ("id-0", "id-1", "gone")] == [0, 3, None]
        snapshot.close()
    with SearchEngine.open(path) as engine:
        found = [hit.id for hit in engine.search_vector(np.arange(WIDTH), np.ones(WIDTH))]
        assert found == ["id-0", "id-2", "id-1", "new", "other"]


def test_other_models_and_widths_are_refused(tmp_path: Path, path: Path) -> None:
    with pytest.raises(ModelMismatchError, match="vectors of 12 dimensions without a model"):
        open_store(path, WIDTH + 1)

    def side(fingerprint: str) -> QuerySide:
        record = ModelRecord("tiny", fingerprint, 64)
        return QuerySide(record, b"{}", np.arange(WIDTH, dtype=np.float32))

    def opened(folder: Path, fingerprint: str) -> StoreWriter:
        return StoreWriter(
            folder, vocabulary_size=WIDTH, max_weight=4.0, query_side=side(fingerprint)
        )

    with pytest.raises(ModelMismatchError, match="model tiny"):
        opened(path, "a" * 64)
    other = tmp_path / "other"
    with opened(other, "a" * 64) as store:
        store.commit()
    with opened(other, "a" * 64) as store:
        store.commit([segment_of(["x"])])
    with pytest.raises(ModelMismatchError, match="bbbbbbbbbbbb"):
        opened(other, "b" * 64)
    snapshot = Snapshot(other)
    assert snapshot.tokenizer_json() == b"{}"
    assert snapshot.static_weights().tolist() == list(range(WIDTH))
    snapshot.close()


def test_no_permission(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root nothing is forbidden, so the question itself is answered differently here."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert_searchable(path, 3)
    with open_store(path) as store, pytest.raises(IndexWriteError, match="read-only"):
        store.commit([large_segment(3, 1)])
    monkeypatch.undo()
    assert_whole(path, 3)
