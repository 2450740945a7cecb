"""Opening LMDB: how large a map, which locks, and what a forked process may do."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import lmdb

from engine.errors import EngineError
from engine.storage.index_folder import DATA_FILE, LOCK_FILE, reserve_lock_file

# The map is sparse address space, not disk: a generous one means that neither readers nor writers
# meet its end. Where so much cannot be reserved (ulimit -v), smaller ones are tried.
_MAP_SIZES = tuple(1 << bits for bits in (42, 38, 36, 34, 32, 30))
_MAX_READERS = 1024
# LMDB's lock file: a head of 192 bytes that includes the first reader, then 64 for each other.
LOCK_FILE_BYTES = 192 + 64 * (_MAX_READERS - 1)

FileKey = tuple[int, int]

# Files that the process which this one was forked from had open.
_inherited: set[FileKey] = set()


class OpenedHandle(NamedTuple):
    """An LMDB environment: whether it can be written to, and whether readers are told apart."""

    handle: Any
    writable: bool
    lock_file: FileKey | None


def open_handle(path: Path, *, create: bool, locks_in_use: Collection[FileKey]) -> OpenedHandle:
    """Open writable where permissions allow, so that one handle serves readers and a writer.

    Args:
        path: directory of the index.
        create: make it where there is none.
        locks_in_use: lock files of this process; one of them must not be opened again.

    Raises:
        EngineError: the lock file belongs to an index that this process has open.
        OSError, lmdb.Error: it cannot be opened.
    """
    data = path / DATA_FILE
    exists = data.exists()
    writable = os.access(path, os.W_OK) and (not exists or os.access(data, os.W_OK))
    # Without write permission no table of readers can be kept.
    lock = writable or os.access(path / LOCK_FILE, os.W_OK)
    if lock:
        if (path / LOCK_FILE).exists() and file_key(path / LOCK_FILE) in locks_in_use:
            raise EngineError(
                f"{path}: its {DATA_FILE} was replaced while this process has the old one open, "
                f"and {LOCK_FILE} was not; close those engines first, or replace the whole folder"
            )
        reserve_lock_file(path / LOCK_FILE, LOCK_FILE_BYTES)
    for map_size in _MAP_SIZES:
        try:
            with _allowed_once_a_process(path):
                handle = lmdb.open(
                    str(path),
                    map_size=map_size,
                    max_readers=_MAX_READERS,
                    readonly=not writable,
                    lock=lock,
                    create=create,
                    max_spare_txns=1,
                )
            # Readers that died without a goodbye would keep old pages from being reused.
            handle.reader_check()
            lock_file = file_key(path / LOCK_FILE) if lock else None
            return OpenedHandle(handle, writable, lock_file)
        except lmdb.MemoryError:
            if map_size == _MAP_SIZES[-1]:
                raise
    raise AssertionError("unreachable")


@contextlib.contextmanager
def _allowed_once_a_process(path: Path) -> Iterator[None]:
    """Let a forked process open what its parent had open.

    py-lmdb remembers which files are open, to refuse a second opening, and a forked process
    inherits that memory. But locks belong to processes: this one has none on those files, and
    what it inherited it neither uses nor closes.
    """
    data = path / DATA_FILE
    if not _inherited or not data.exists() or file_key(data) not in _inherited:
        yield
        return
    from lmdb import _envid

    original = _envid.env_keys
    _envid.env_keys = lambda *_: ()
    try:
        yield
    finally:
        _envid.env_keys = original


def leave_to_parent(file: FileKey, handle: Any) -> None:
    """Never use nor close a handle that this process inherited when it was forked.

    Closing, were it only by garbage collection, would drop this process's own locks, and clear the
    parent's place in the table of readers.
    """
    _inherited.add(file)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(handle))


def file_key(file: Path | int) -> FileKey:
    """Device and inode of a file, given by its path or descriptor."""
    status = os.fstat(file) if isinstance(file, int) else file.stat()
    return status.st_dev, status.st_ino
