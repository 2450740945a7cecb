"""The LMDB environment of an index: opened once a process, checked before it is mapped."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import lmdb

from engine.errors import (
    EngineError,
    IndexDamagedError,
    IndexLockedError,
    IndexNotFoundError,
    IndexWriteError,
)
from engine.storage.envelope import seal, unseal
from engine.storage.page_audit import audit_snapshot, read_meta_pages

DATA_FILE = "data.mdb"
WRITER_LOCK = "writer.lock"
# The map is sparse address space, not disk: a generous one means that neither readers nor writers
# meet its end. Where so much cannot be reserved (ulimit -v), smaller ones are tried.
_MAP_SIZES = tuple(1 << bits for bits in (42, 38, 36, 34, 32, 30))
_MAX_READERS = 1024
# A snapshot is taken again when two commits came between its beginning and its audit.
_SNAPSHOT_ATTEMPTS = 1000
LOCK_FILE = "lock.mdb"
# LMDB's lock file: a head of 192 bytes that includes the first reader, then 64 for each other.
_LOCK_FILE_BYTES = 192 + 64 * (_MAX_READERS - 1)

_open_environments: dict[tuple[int, int, int], Environment] = {}
_registry_lock = threading.Lock()


class Environment:
    """An LMDB environment shared by all readers and the writer of this process.

    LMDB must not open a file twice in a process, so `attach` hands out one object a file and
    counts its users.
    """

    def __init__(
        self,
        path: Path,
        key: tuple[int, int, int],
        handle: Any,
        descriptor: int,
        *,
        writable: bool,
    ) -> None:
        self.path = path
        self.writable = writable
        self._key = key
        self._handle = handle
        self._users = 1
        # The mapped file itself, whatever its path leads to later.
        self._descriptor = descriptor

    @classmethod
    def attach(cls, path: Path, *, create: bool = False) -> Environment:
        """Open the environment in directory `path`, or join the one that is open already.

        Raises:
            IndexNotFoundError: there is no index, and `create` is False.
            IndexDamagedError: the file is truncated or its meta pages are damaged.
            IndexWriteError: the directory or its files cannot be created or opened.
        """
        data = path / DATA_FILE
        with _registry_lock:
            try:
                # An empty file is what remains of a first run that was killed at once: nothing.
                if data.exists() and data.stat().st_size:
                    read_meta_pages(data)
                elif not create:
                    raise IndexNotFoundError(
                        f"no index at {path}; create one with `engine index CATALOG --index {path}`"
                    )
                if create:
                    path.mkdir(parents=True, exist_ok=True)
                if data.exists() and (known := _open_environments.get(_file_key(data))):
                    known._users += 1
                    return known
                path = path.resolve()
                _refuse_inherited(path)
                handle, writable = _open(path, create=create)
                descriptor = os.open(data, os.O_RDONLY)
                key = _file_key(data)
                if _file_key(descriptor) != key:
                    os.close(descriptor)
                    handle.close()
                    raise IndexWriteError(f"{path}: another index took its place; open it again")
                environment = cls(path, key, handle, descriptor, writable=writable)
            except OSError as error:
                raise IndexWriteError(
                    f"{path}: cannot be opened as an index: {error.strerror}"
                ) from error
            except (lmdb.InvalidError, lmdb.CorruptedError, lmdb.VersionMismatchError) as error:
                raise IndexDamagedError(f"{path} is damaged: {error}") from error
            except lmdb.Error as error:
                raise IndexWriteError(f"{path}: cannot be opened as an index: {error}") from error
            _open_environments[environment._key] = environment
            return environment

    def detach(self) -> None:
        """Give up one use; the last one closes the environment."""
        with _registry_lock:
            self._users -= 1
            if self._users == 0:
                if _open_environments.get(self._key) is self:
                    del _open_environments[self._key]
                if self._key[0] == os.getpid():
                    self._handle.close()
                os.close(self._descriptor)

    @property
    def is_closed(self) -> bool:
        """Whether the last user of this process has let go."""
        return self._users == 0

    def begin_read(self) -> Any:
        """Begin a read transaction on the newest commit, with every tree page of it checked.

        Raises:
            IndexDamagedError: a page is not what LMDB wrote.
            EngineError: the reader table is full, or the file has outgrown this process's map.
        """
        for _ in range(_SNAPSHOT_ATTEMPTS):
            try:
                transaction = self._handle.begin(buffers=True)
            except lmdb.Error as error:
                raise EngineError(
                    f"{self.path}: no snapshot can be taken: {error}; close the engines and "
                    "writers of it that are no longer needed, then open it again"
                ) from error
            try:
                if audit_snapshot(self.path / DATA_FILE, transaction.id(), self._descriptor):
                    return transaction
            except BaseException:
                transaction.abort()
                raise
            transaction.abort()
        raise IndexDamagedError(
            f"{self.path}: no snapshot can be taken: its lock file does not belong to it; if the "
            "index was replaced, end the processes that have the old one open"
        )

    def file_bytes(self) -> int:
        """Size of the data file."""
        return os.fstat(self._descriptor).st_size

    def commit(
        self,
        puts: Sequence[tuple[bytes, Any]],
        deletes: Sequence[bytes],
        manifest: Any,
        previous: int | None = None,
    ) -> int:
        """Write values, and the manifest that `manifest(transaction)` returns, in one transaction.

        Args:
            puts: pairs of a key and a payload, or a function that returns the payload; sealed
                one by one while writing, so that one sealed copy is held at a time.
            deletes: keys to remove.
            manifest: a function of the LMDB transaction number that returns key and payload.
            previous: number of the commit that this one builds on; any other is refused.

        Returns:
            The LMDB transaction number.

        Raises:
            IndexWriteError: nothing was written; the index is as it was.
        """
        if not self.writable:
            raise IndexWriteError(f"{self.path} is read-only; nothing was written")
        self.begin_read().abort()
        while True:
            try:
                with self._handle.begin(write=True) as transaction:
                    if previous is not None and transaction.id() != previous + 1:
                        raise IndexWriteError(
                            f"{self.path}: another writer has committed since this one began; "
                            "nothing was written: open it again"
                        )
                    for key in deletes:
                        transaction.delete(key)
                    for key, payload in puts:
                        transaction.put(key, seal(key, payload() if callable(payload) else payload))
                    number = int(transaction.id())
                    key, payload = manifest(number)
                    transaction.put(key, seal(key, payload))
                return number
            except lmdb.MapFullError:
                # The whole transaction was rolled back: grow the map and write it again.
                self._grow_map()
            except (lmdb.Error, OSError, MemoryError) as error:
                raise IndexWriteError(
                    f"{self.path}: the commit failed and the index is as it was before: {error}; "
                    "free some space or check permissions, then run the same command again"
                ) from error

    def _grow_map(self) -> None:
        with _registry_lock:
            # Growing moves the map, from under every view that a snapshot has given out.
            if self._users > 1:
                raise IndexWriteError(
                    f"{self.path}: its memory map is full and cannot grow while this process has "
                    "it open for reading too; close those engines, then commit again"
                )
            size = self._handle.info()["map_size"]
            try:
                self._handle.set_mapsize(2 * size)
            except lmdb.Error as error:
                self._handle.set_mapsize(size)
                raise IndexWriteError(
                    f"{self.path}: the commit needs a memory map of {2 * size} bytes, and the "
                    f"system refuses it ({error}); raise the limit (ulimit -v), then try again"
                ) from error


def remove_uncommitted(path: Path) -> None:
    """Remove the files of an index that never had a commit; its writer still holds the lock."""
    with contextlib.suppress(OSError):
        for name in (DATA_FILE, LOCK_FILE, WRITER_LOCK):
            (path / name).unlink(missing_ok=True)
        # A folder that holds anything else was there before, or is in use: it stays.
        path.rmdir()


def read_value(
    transaction: Any, key: bytes, where: str, *, check_payload: bool = True
) -> memoryview:
    """Return the payload stored under `key`, as a view into the map, valid with the transaction.

    Raises:
        IndexDamagedError: it is missing or damaged.
    """
    value = transaction.get(key)
    if value is None:
        raise IndexDamagedError(f"{where} is damaged: it is missing from the index")
    return unseal(key, value, where, check_payload=check_payload)


@contextlib.contextmanager
def writer_lock(path: Path) -> Iterator[None]:
    """Hold the right to write to the index in `path`; the kernel frees it when a process dies.

    Raises:
        IndexLockedError: another process, or another writer of this one, holds it.
    """
    while True:
        descriptor = _open_writer_lock(path)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
                by = f" (process {holder})" if holder else ""
                raise IndexLockedError(
                    f"{path}: another writer is at work{by}; wait for it to finish, then try again"
                ) from None
            if not _is_in_place(descriptor, path / WRITER_LOCK):
                continue
            # Whose lock it is is a courtesy: a full disk must not stand in the way of it.
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            yield
            return
        finally:
            os.close(descriptor)


def _open_writer_lock(path: Path) -> int:
    try:
        path.mkdir(parents=True, exist_ok=True)
        return os.open(path / WRITER_LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise IndexWriteError(f"{path}: cannot be written to: {error.strerror}") from error


def _is_in_place(descriptor: int, path: Path) -> bool:
    """Whether an open file still has its name: the writer before may just have removed it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def _open(path: Path, *, create: bool) -> tuple[Any, bool]:
    """Open writable where permissions allow, so that one handle serves readers and a writer."""
    data = path / DATA_FILE
    exists = data.exists()
    writable = os.access(path, os.W_OK) and (not exists or os.access(data, os.W_OK))
    # Without write permission no reader table can be kept. Nobody who can write is expected to
    # change a read-only deployment in place.
    lock = writable or os.access(path / LOCK_FILE, os.W_OK)
    if lock:
        _reserve_lock_file(path / LOCK_FILE)
    for map_size in _MAP_SIZES:
        try:
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
            return handle, writable
        except lmdb.MemoryError:
            if map_size == _MAP_SIZES[-1]:
                raise
    raise AssertionError("unreachable")


def _reserve_lock_file(path: Path) -> None:
    """Take disk space for LMDB's lock file: it is mapped, and a full disk would kill the process.

    Raises:
        OSError: there is no space.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if os.fstat(descriptor).st_size < _LOCK_FILE_BYTES:
            os.posix_fallocate(descriptor, 0, _LOCK_FILE_BYTES)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENODEV):
            raise
    finally:
        os.close(descriptor)


def _refuse_inherited(path: Path) -> None:
    """LMDB cannot open what the parent of this process had open when it forked."""
    for (process, *file), environment in _open_environments.items():
        data = path / DATA_FILE
        if process != os.getpid() and data.exists() and tuple(file) == _file_key(data)[1:]:
            raise EngineError(
                f"{path} was open when this process was forked from process {process}: go on with "
                f"what was opened at {environment.path}, or open it only after forking"
            )


def _file_key(data: Path | int) -> tuple[int, int, int]:
    status = os.fstat(data) if isinstance(data, int) else data.stat()
    return os.getpid(), status.st_dev, status.st_ino
