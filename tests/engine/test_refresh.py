"""Moving to newer commits: what a search sees, and what becomes of the commit before."""

from __future__ import annotations

import gc
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from engine import EngineError, IndexNotFoundError, ModelError, SearchEngine, UsageError
from engine.opened_commit import OpenedCommit
from engine.retrieval.scorer import ScoredDocuments, Scorer
from engine.storage import environment, stored_block
from engine.storage.backup import back_up
from engine.storage.block import piece_checksum
from engine.storage.environment import Environment
from engine.storage.index_folder import replace_data_file
from engine.storage.lmdb_handle import LOCK_FILE_BYTES
from engine.storage.manifest import ModelRecord
from engine.storage.segment_content import SegmentContent
from engine.storage.snapshot import Snapshot
from engine.storage.store_writer import QuerySide, StoreWriter
from engine.storage.writer_lock import writer_lock
from tests.engine.forked import in_child
from tests.engine.retrieval.test_query_encoder import WEIGHTS, tokenizer_json
from tests.engine.storage.contents import WIDTH, block_of, open_store, segment_of


def ids(engine: SearchEngine) -> list[str]:
    return [hit.id for hit in engine.search_vector(np.arange(WIDTH), np.ones(WIDTH), k=100)]


def add(path: Path, *names: str) -> None:
    with open_store(path) as store:
        store.commit([segment_of(names, documents=[{"name": name} for name in names])])


def replace(path: Path) -> None:
    """Let a copy of the index take its place, as compaction does."""
    copy = path.with_name("copy")
    back_up(path, copy)
    with writer_lock(path):
        replace_data_file(path, copy / "data.mdb", LOCK_FILE_BYTES)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    add(tmp_path / "index", "a", "b")
    return tmp_path / "index"


@pytest.fixture
def opened(path: Path) -> Iterator[SearchEngine]:
    with SearchEngine.open(path) as opened:
        yield opened


def test_refresh_tells_whether_there_was_a_newer_commit(path: Path, opened: SearchEngine) -> None:
    assert not opened.refresh()
    add(path, "c")
    assert ids(opened) == ["a", "b"]
    assert opened.refresh()
    assert ids(opened) == ["a", "b", "c"]
    assert len(opened) == 3
    assert not opened.refresh()


def test_a_replaced_file_is_found_by_its_path(path: Path, opened: SearchEngine) -> None:
    for name in "cdefgh":
        expected = ids(opened)
        replace(path)
        assert opened.refresh()
        assert ids(opened) == expected
        assert opened.get("a") == {"name": "a"}
        assert not opened.refresh()
        add(path, name)
        assert opened.refresh()
        assert ids(opened) == [*expected, name]


def test_a_moved_folder_is_found_by_its_path(path: Path, opened: SearchEngine) -> None:
    path.rename(path.parent / "old")
    with pytest.raises(IndexNotFoundError):
        opened.refresh()
    assert ids(opened) == ["a", "b"]
    add(path, "x")
    assert opened.refresh()
    assert ids(opened) == ["x"]


def test_the_path_holds_in_another_working_directory(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    with SearchEngine.open("index") as opened:
        assert opened.info().path == "index"
        monkeypatch.chdir("/")
        assert not opened.refresh()
        add(path, "c")
        assert opened.refresh()
        assert ids(opened) == ["a", "b", "c"]
        assert opened.info().path == str(path)


def test_an_index_that_was_damaged_meanwhile(path: Path, opened: SearchEngine) -> None:
    (path / "data.mdb").rename(path / "intact.mdb")
    (path / "lock.mdb").unlink()
    (path / "data.mdb").write_bytes(b"not an index")
    with pytest.raises(EngineError):
        opened.refresh()
    assert ids(opened) == ["a", "b"]


def test_a_data_file_that_was_replaced_without_its_lock_file(
    path: Path, opened: SearchEngine
) -> None:
    """Opening it would make LMDB forget the locks of the one that is open."""
    copy = (path / "data.mdb").read_bytes()
    (path / "data.mdb").unlink()
    (path / "data.mdb").write_bytes(copy)
    with pytest.raises(EngineError, match="replace the whole folder"):
        opened.refresh()
    assert ids(opened) == ["a", "b"]


def test_searches_end_in_the_commit_in_which_they_began(path: Path, opened: SearchEngine) -> None:
    """Threads search all the time while the index moves on; no answer is of no commit."""
    names = ["a", "b", *(f"id-{at:02}" for at in range(25))]
    known = {tuple(names[:count]) for count in range(2, len(names) + 1)}
    wrong: list[object] = []
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            try:
                results = opened.search_vector(np.arange(WIDTH), np.ones(WIDTH), k=100)
                found = tuple(hit.id for hit in results)
                if found not in known or any(hit.document["name"] != hit.id for hit in results):
                    wrong.append(found)
            except BaseException as error:
                wrong.append(error)
                return

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for at, name in enumerate(names[2:]):
        add(path, name)
        if at % 5 == 0:
            replace(path)
        assert opened.refresh()
    done.set()
    for thread in threads:
        thread.join(20)
    assert not wrong
    assert ids(opened) == names


def test_what_a_commit_took_is_given_back(path: Path, opened: SearchEngine) -> None:
    """Neither snapshots nor places in the table of readers are left behind."""
    for at in range(5):
        add(path, f"id-{at}")
        if at == 2:
            replace(path)
        opened.refresh()
        ids(opened)
    gc.collect()
    assert sum(type(one) is Snapshot for one in gc.get_objects()) == 1
    assert readers(path) == 1
    opened.close()
    assert readers(path) == 0


def readers(path: Path) -> int:
    """Readers that hold a commit, as LMDB's lock file has them: 64 bytes each from byte 128 on.

    First the number of the transaction, all bits set while there is none, then that of the process.
    """
    # Not read here: a process that closes a file loses the locks that it holds on it.
    table = subprocess.run(["cat", path / "lock.mdb"], capture_output=True, check=True).stdout
    rows = np.frombuffer(table, np.uint64, offset=128).reshape(-1, 8)
    processes = rows[:, 1] & np.uint64(0xFFFF_FFFF)
    return int(np.count_nonzero((processes != 0) & (rows[:, 0] != np.iinfo(np.uint64).max)))


def test_what_was_verified_is_not_verified_again(
    path: Path, opened: SearchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[int] = []

    def counted(posting_list: npt.NDArray[np.uint32], *rest: Any) -> int:
        checked.append(len(posting_list))
        return piece_checksum(posting_list, *rest)

    monkeypatch.setattr(stored_block, "piece_checksum", counted)
    ids(opened)
    assert len(checked) == 2
    add(path, "c")
    opened.refresh()
    ids(opened)
    assert len(checked) == 3
    opened.refresh()
    ids(opened)
    assert len(checked) == 3
    replace(path)
    opened.refresh()
    ids(opened)
    assert len(checked) == 6


def test_auto_refresh(path: Path) -> None:
    with SearchEngine.open(path, auto_refresh=0) as at_once:
        add(path, "c")
        assert ids(at_once) == ["a", "b", "c"]
        replace(path)
        add(path, "d")
        assert "d" in at_once
    with SearchEngine.open(path, auto_refresh=3600) as later:
        add(path, "e")
        assert ids(later) == ["a", "b", "c", "d"]


def test_auto_refresh_waits_its_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with SearchEngine.open(path, auto_refresh=10) as opened:
        add(path, "c")
        now += 9
        assert len(opened) == 2
        now += 2
        assert len(opened) == 3
        add(path, "d")
        now += 9
        assert len(opened) == 3
        now += 2
        assert len(opened) == 4


def test_auto_refresh_goes_on_with_what_it_has(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with SearchEngine.open(path, auto_refresh=0) as opened:
        path.rename(path.parent / "elsewhere")
        assert ids(opened) == ["a", "b"]
        assert "still searching an earlier commit" in caplog.text
        (path.parent / "elsewhere").rename(path)
        add(path, "c")
        assert ids(opened) == ["a", "b", "c"]
        assert not opened.refresh()


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_impossible_times(path: Path, seconds: float) -> None:
    with pytest.raises(UsageError, match="auto_refresh"):
        SearchEngine.open(path, auto_refresh=seconds)


def test_a_closed_engine_stays_closed(path: Path) -> None:
    opened = SearchEngine.open(path, auto_refresh=0)
    opened.close()
    add(path, "c")
    for call in (opened.refresh, lambda: ids(opened), lambda: len(opened)):
        with pytest.raises(EngineError, match="closed"):
            call()


def test_a_reader_that_no_writer_can_see(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without permission to write to lock.mdb, a reader is told before it reads what is gone."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    opened = SearchEngine.open(path)
    monkeypatch.undo()
    assert ids(opened) == ["a", "b"]
    in_child(lambda: add(path, "c"))
    assert ids(opened) == ["a", "b"]
    in_child(lambda: add(path, "d"))
    with pytest.raises(EngineError, match=r"lock\.mdb"):
        ids(opened)
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert opened.refresh()
    assert ids(opened) == ["a", "b", "c", "d"]
    opened.close()


@pytest.fixture
def unseen(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SearchEngine]:
    """An engine that has no place in the table of readers."""
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda *_: False)
        opened = SearchEngine.open(path)
    yield opened
    opened.close()


def test_what_is_overwritten_during_a_search_is_no_answer(
    path: Path, unseen: SearchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = Scorer.search

    def interrupted(self: Scorer, *query: Any) -> ScoredDocuments:
        for name in "cd":
            in_child(lambda: add(path, name))  # noqa: B023
        return search(self, *query)

    monkeypatch.setattr(Scorer, "search", interrupted)
    with pytest.raises(EngineError, match=r"lock\.mdb.*refresh"):
        ids(unseen)


def test_a_commit_is_not_closed_while_a_call_begins(
    unseen: SearchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = unseen._current._commit
    look = Environment.newest_transaction

    def superseded(self: Environment) -> int:
        commit.end(wait=False)
        return look(self)

    monkeypatch.setattr(Environment, "newest_transaction", superseded)
    assert commit.begin()
    with commit:
        assert commit.snapshot.find("b") == 1
    assert commit.snapshot._is_closed
    assert not commit.begin()


def test_close_comes_back_when_the_index_is_closed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = OpenedCommit(path)
    close = commit.snapshot.close
    came_back = threading.Event()

    def slow() -> None:
        came_back.wait(0.2)
        close()

    monkeypatch.setattr(commit.snapshot, "close", slow)
    was_closed: list[bool] = []

    def end() -> None:
        commit.end(wait=True)
        was_closed.append(commit.snapshot._is_closed)
        came_back.set()

    assert commit.begin()
    thread = threading.Thread(target=end)
    with commit:
        thread.start()
        while not commit._is_ended:
            time.sleep(0.001)
    thread.join()
    assert was_closed == [True]


def test_places_of_dead_readers_are_cleared(path: Path) -> None:
    """They are free again when somebody opens the index or writes to it."""

    def die() -> None:
        opened = SearchEngine.open(path)
        os._exit(len(opened) != 2)

    in_child(die)
    assert readers(path) == 1
    with SearchEngine.open(path):
        assert readers(path) == 1
        in_child(die)
        assert readers(path) == 2
        add(path, "c")
        assert readers(path) == 1
    assert readers(path) == 0


def test_an_engine_that_is_dropped_lets_go(path: Path) -> None:
    opened = SearchEngine.open(path)
    hits = opened.search_vector([1], [1.0]).hits
    add(path, "c")
    opened.refresh()
    snapshot = Snapshot(path)
    handle = snapshot._environment
    snapshot.close()
    assert handle._users == 1
    del opened
    assert handle._users == 0
    assert len(hits) == 1
    # In the middle of another opening or closing it does so with the next.
    again = SearchEngine.open(path)
    other = SearchEngine.open(path)
    handle = Environment.attach(path)
    handle.detach()
    with environment._registry_lock:
        del again
    assert (handle._users, len(environment._dropped)) == (2, 1)
    other.close()
    assert handle._users == 0
    assert not environment._dropped


def test_a_search_under_way_keeps_what_an_engine_that_is_dropped_had(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, dropped = threading.Event(), threading.Event()
    found: list[str] = []
    search = Scorer.search

    def slow(self: Scorer, *arguments: Any) -> ScoredDocuments:
        begun.set()
        assert dropped.wait(60)
        gc.collect()
        return search(self, *arguments)

    monkeypatch.setattr(Scorer, "search", slow)
    engines = [SearchEngine.open(path)]
    thread = threading.Thread(target=lambda: found.extend(ids(engines.pop())))
    thread.start()
    assert begun.wait(60)
    assert not engines
    dropped.set()
    thread.join()
    assert sorted(found) == ["a", "b"]


def test_an_index_of_the_same_model_with_fewer_terms(tmp_path: Path) -> None:
    """Whoever puts it there lies, and yet no term may be looked for behind the last one."""
    record = ModelRecord("tiny", "f" * 64, 64)
    path, other = tmp_path / "index", tmp_path / "other"
    for folder, width in ((path, len(WEIGHTS)), (other, 6)):
        side = QuerySide(record, tokenizer_json(), WEIGHTS[:width])
        with StoreWriter(folder, vocabulary_size=width, max_weight=8.0, query_side=side) as store:
            block = block_of(np.ones((2, width), np.float32))
            store.commit([SegmentContent([block], [b"a", b"b"])])
    with SearchEngine.open(path) as opened:
        assert len(opened.search("queen")) == 2
        path.rename(tmp_path / "before")
        other.rename(path)
        with pytest.raises(ModelError, match="do not belong together"):
            opened.refresh()
        assert len(opened.search("queen")) == 2
