"""The right to write to an index: one writer at a time, and a clear word for the second."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from engine.errors import IndexLockedError, IndexWriteError, UsageError
from engine.storage.index_folder import WRITER_LOCK, make_folder

# Who asks whether a writer is at work holds the lock for an instant: that is nobody to report.
_LEAST_WAIT_S = 0.1
_POLL_S = 0.02
# Descriptors of lock files that this process has open.
_opened: set[int] = set()


@contextlib.contextmanager
def writer_lock(path: Path, wait: float = 0.0) -> Iterator[None]:
    """Hold the right to write to the index in `path`; the kernel frees it when a process dies.

    Args:
        path: directory of the index; created if need be.
        wait: how many seconds to wait for another writer to finish.

    Raises:
        UsageError: `wait` is negative or no number.
        IndexLockedError: another process, or another writer of this one, holds it.
        IndexWriteError: the directory or its lock cannot be created.
    """
    if not wait >= 0:
        raise UsageError(f"wait is a number of seconds from 0 up, not {wait}")
    deadline = time.monotonic() + max(wait, _LEAST_WAIT_S)
    process = os.getpid()
    while True:
        descriptor = _open_writer_lock(path)
        try:
            if not _acquire(descriptor, deadline):
                raise IndexLockedError(_locked(path, descriptor, wait))
            if not _is_in_place(descriptor, path / WRITER_LOCK):
                continue
            # Whose lock it is is a courtesy: a full disk must not stand in the way of it.
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            yield
            return
        finally:
            # A process that was forked meanwhile has closed its copy.
            if os.getpid() == process:
                _let_go(descriptor)


def writer_is_at_work(path: Path) -> bool:
    """Tell whether a writer holds the lock of the index in `path` at this moment."""
    try:
        descriptor = os.open(path / WRITER_LOCK, os.O_RDONLY)
    except OSError:
        return False
    _opened.add(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        _let_go(descriptor)
    return False


def _let_go(descriptor: int) -> None:
    _opened.discard(descriptor)
    # Closing is not enough while a process that was just forked has the lock as well.
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def _acquire(descriptor: int, deadline: float) -> bool:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(_POLL_S, left))


def _locked(path: Path, descriptor: int, wait: float) -> str:
    holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
    by = f" (process {holder})" if holder else ""
    if wait > 0:
        return (
            f"{path}: another writer{by} was still at work after {wait:g} seconds; wait longer, "
            "or end that process"
        )
    return (
        f"{path}: another writer is at work{by}; try again when it has finished, or wait for it "
        "with --wait SECONDS"
    )


def _open_writer_lock(path: Path) -> int:
    try:
        make_folder(path)
        descriptor = os.open(path / WRITER_LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise IndexWriteError(f"{path}: cannot be written to: {error.strerror}") from error
    _opened.add(descriptor)
    return descriptor


def _is_in_place(descriptor: int, path: Path) -> bool:
    """Whether an open file still has its name: the writer before may just have removed it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def _leave_to_parent() -> None:
    """Close a forked process's copies: any one of them would keep the lock of a dead parent."""
    for descriptor in _opened:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _opened.clear()


os.register_at_fork(after_in_child=_leave_to_parent)
