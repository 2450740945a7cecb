"""Engines that were opened before a fork, as web servers do that load an application once."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import EngineError, IndexLockedError, SearchEngine
from engine.storage import writer_lock
from engine.storage.snapshot import Snapshot
from tests.engine.forked import in_child
from tests.engine.storage.contents import WIDTH, open_store, segment_of
from tests.engine.test_refresh import add, ids, readers, replace


@pytest.fixture
def path(tmp_path: Path) -> Path:
    add(tmp_path / "index", "a", "b")
    return tmp_path / "index"


def test_a_forked_process_opens_the_index_anew(path: Path) -> None:
    with SearchEngine.open(path) as opened:
        ids(opened)

        def child() -> None:
            assert ids(opened) == ["a", "b"]
            assert readers(path) == 2
            assert opened.get("a") == {"name": "a"}
            assert not opened.refresh()
            with SearchEngine.open(path) as another:
                assert ids(another) == ["a", "b"]
            opened.close()
            assert readers(path) == 1

        in_child(child)
        # What was the parent's stayed the parent's.
        assert readers(path) == 1
        assert ids(opened) == ["a", "b"]
        in_child(child)
    assert readers(path) == 0


def test_parent_and_child_move_on_each_for_itself(path: Path) -> None:
    with SearchEngine.open(path) as opened:
        add(path, "c")

        def child() -> None:
            assert ids(opened) == ["a", "b", "c"]
            in_child(lambda: add(path, "d"))
            assert ids(opened) == ["a", "b", "c"]
            assert opened.refresh()
            assert ids(opened) == ["a", "b", "c", "d"]

        in_child(child)
        assert ids(opened) == ["a", "b"]
        for at in range(4):
            add(path, f"id-{at}")
        assert ids(opened) == ["a", "b"]
        assert opened.refresh()
        assert len(opened) == 8


def test_a_child_of_a_child(path: Path) -> None:
    with SearchEngine.open(path) as opened:

        def child() -> None:
            assert ids(opened) == ["a", "b"]
            in_child(lambda: ids(opened).index("b"))
            assert readers(path) == 3
            # It ended without a goodbye; the next commit clears its place.
            add(path, "c")
            assert readers(path) == 2

        in_child(child)


def test_the_index_was_replaced_before_the_fork(path: Path) -> None:
    with SearchEngine.open(path) as opened:
        replace(path)
        add(path, "c")

        def child() -> None:
            assert ids(opened) == ["a", "b", "c"]
            add(path, "d")
            assert opened.refresh()
            assert len(opened) == 4

        in_child(child)
        assert ids(opened) == ["a", "b"]
        assert opened.refresh()
        assert len(opened) == 4


def test_a_fork_while_threads_search_and_refresh(path: Path) -> None:
    """Whatever locks they hold at that moment are not the child's to wait for."""
    with SearchEngine.open(path, auto_refresh=0) as opened:
        done = threading.Event()

        def work() -> None:
            while not done.is_set():
                ids(opened)

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for at in range(6):
                add(path, f"id-{at}")
                in_child(lambda: ids(opened).index(f"id-{at}"))  # noqa: B023
        finally:
            done.set()
            for thread in threads:
                thread.join(20)
        assert len(opened) == 8


def test_nothing_of_a_child_reaches_a_parent_that_reads_on(path: Path) -> None:
    """The parent's commit is kept for it, whatever its children open, close and leave behind."""
    snapshot = Snapshot(path)
    for _ in range(3):
        in_child(lambda: SearchEngine.open(path).close())
        add(path, "a", "b")
    assert [snapshot.find(name) for name in "ab"] == [0, 1]
    segment, local = snapshot.locate(1)
    assert segment.stored_document(local) == b'{"name":"b"}'
    with pytest.raises(AssertionError):
        in_child(lambda: snapshot._environment.begin_read())
    snapshot.close()


def test_a_writer_is_for_its_own_process(path: Path, tmp_path: Path) -> None:
    with open_store(path) as store:

        def child() -> None:
            with pytest.raises(EngineError, match="before this one was forked"):
                store.commit([segment_of(["x"])])
            store.close()

        in_child(child)
        with pytest.raises(IndexLockedError):
            open_store(path)
        store.commit([segment_of(["c"])])
    new = open_store(tmp_path / "new")
    in_child(new.close)
    new.commit([segment_of(["c"])])
    new.close()
    with SearchEngine.open(tmp_path / "new") as opened:
        assert len(opened.search_vector(np.arange(WIDTH), np.ones(WIDTH))) == 1


def test_a_child_that_lives_on_does_not_keep_the_right_to_write(path: Path) -> None:
    """Neither that of a writer that was closed, nor that of one whose process died."""
    store = open_store(path)
    with living_child():
        store.close()
        assert not writer_lock.writer_is_at_work(path)
        open_store(path).close()

    def die() -> None:
        open_store(path)
        # The grandchild must outlive this process, and ends with the pipe.
        if fork() == 0:
            os.close(write_end)
            os.read(read_end, 1)
            os._exit(0)

    read_end, write_end = os.pipe()
    in_child(die)
    open_store(path).close()
    os.close(write_end)
    os.close(read_end)


@pytest.mark.parametrize("holder", ["writer", "onlooker"])
def test_a_copy_of_the_lock_does_not_keep_it(
    path: Path, monkeypatch: pytest.MonkeyPatch, holder: str
) -> None:
    """A process that was just forked, or will be another program, has one for an instant."""
    copies: list[int] = []
    take = fcntl.flock

    def copied(descriptor: int, operation: int) -> None:
        take(descriptor, operation)
        if operation != fcntl.LOCK_UN and not copies:
            copies.append(os.dup(descriptor))

    monkeypatch.setattr(fcntl, "flock", copied)
    if holder == "writer":
        with writer_lock.writer_lock(path):
            pass
    else:
        assert not writer_lock.writer_is_at_work(path)
    open_store(path).close()
    os.close(*copies)


def fork() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


@contextlib.contextmanager
def living_child() -> Iterator[None]:
    """A forked process that lives for as long as the block."""
    read_end, write_end = os.pipe()
    child = fork()
    if child == 0:
        os.close(write_end)
        os.read(read_end, 1)
        os._exit(0)
    try:
        yield
    finally:
        os.close(write_end)
        os.close(read_end)
        os.waitpid(child, 0)


def test_lmdb_has_the_hook_that_forked_processes_need(tmp_path: Path) -> None:
    """It is private to py-lmdb: a release without it must not be allowed by pyproject.toml."""
    from lmdb import _envid

    env_keys: Any = _envid.env_keys
    assert list(env_keys(str(tmp_path), True)) == []
    (tmp_path / "data.mdb").touch()
    assert len(env_keys(str(tmp_path), True)) == 1


def test_a_document_is_read_without_a_lock_that_a_fork_could_inherit(path: Path) -> None:
    with SearchEngine.open(path) as opened:
        hit = opened.search_vector([1], [1.0], k=1)[0]
        assert hit.document is hit.document
        assert not isinstance(type(hit).__dict__["document"], functools.cached_property)

        def child() -> None:
            assert opened.search_vector([1], [1.0], k=1)[0].document

        in_child(child)
