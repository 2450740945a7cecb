"""The LMDB environment of an index: opened once a process, checked before it is mapped."""

from __future__ import annotations

import contextlib
import mmap
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import lmdb

from engine.errors import (
    EngineError,
    IndexDamagedError,
    IndexNotFoundError,
    IndexWriteError,
)
from engine.storage.envelope import seal
from engine.storage.index_folder import (
    DATA_FILE,
    LOCK_FILE,
    create_data_file,
    make_folder,
    opening,
    sync_folder,
)
from engine.storage.lmdb_handle import FileKey, OpenedHandle, file_key, leave_to_parent, open_handle
from engine.storage.page_audit import audit_snapshot, read_meta_pages
from engine.storage.tree_file import empty_tree_file

# A snapshot is taken again when two commits came between its beginning and its audit.
_SNAPSHOT_ATTEMPTS = 1000
# LMDB's own limit, where the pages of the system are larger.
_LARGEST_PAGE = 1 << 15
_open_environments: dict[FileKey, Environment] = {}
_registry_lock = threading.Lock()
# Uses that a garbage collection ended while the registry was busy.
_dropped: deque[Environment] = deque()


class Environment:
    """An LMDB environment shared by all readers and the writer of this process.

    LMDB must not open a file twice in a process, so `attach` hands out one object a file and
    counts its users.
    """

    def __init__(
        self,
        path: Path,
        opened: OpenedHandle,
        descriptor: int,
    ) -> None:
        self.path = path
        self.writable = opened.writable
        self.has_reader_table = opened.lock_file is not None
        self._lock_file = opened.lock_file
        self.key = file_key(descriptor)
        self._process = os.getpid()
        self._handle = opened.handle
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
        with _registry_lock:
            _detach_dropped()
            try:
                if create:
                    make_folder(path)
                with opening(path):
                    return cls._attach(path, create=create)
            except OSError as error:
                raise IndexWriteError(
                    f"{path}: cannot be opened as an index: {error.strerror}"
                ) from error
            except (lmdb.InvalidError, lmdb.CorruptedError, lmdb.VersionMismatchError) as error:
                raise IndexDamagedError(f"{path} is damaged: {error}") from error
            except lmdb.Error as error:
                raise IndexWriteError(f"{path}: cannot be opened as an index: {error}") from error

    @classmethod
    def _attach(cls, path: Path, *, create: bool) -> Environment:
        data = path / DATA_FILE
        if data.exists():
            read_meta_pages(data)
        elif create:
            create_data_file(path, empty_tree_file(min(mmap.PAGESIZE, _LARGEST_PAGE)))
        else:
            raise IndexNotFoundError(
                f"no index at {path}; create one with `engine index CATALOG --index {path}`"
            )
        if known := _open_environments.get(file_key(data)):
            known._users += 1
            return known
        path = path.resolve()
        locks = {one._lock_file for one in _open_environments.values() if one._lock_file}
        opened = open_handle(path, create=create, locks_in_use=locks)
        descriptor = os.open(data, os.O_RDONLY)
        try:
            if create:
                # A commit syncs the file, and not its name.
                sync_folder(path)
            if file_key(descriptor) != file_key(data):
                raise IndexWriteError(f"{path}: another index took its place; open it again")
        except BaseException:
            os.close(descriptor)
            opened.handle.close()
            raise
        environment = cls(path, opened, descriptor)
        _open_environments[environment.key] = environment
        return environment

    def detach(self) -> None:
        """Give up one use; the last one closes the environment."""
        with _registry_lock:
            _detach_dropped()
            self._detach()

    def detach_when_possible(self) -> None:
        """Give up one use from within a garbage collection, which may interrupt this very module.

        Where it does, the use ends with the next one that begins or ends.
        """
        _dropped.append(self)
        if _registry_lock.acquire(blocking=False):
            try:
                _detach_dropped()
            finally:
                _registry_lock.release()

    def _detach(self) -> None:
        self._users -= 1
        if self._users == 0:
            if _open_environments.get(self.key) is self:
                del _open_environments[self.key]
            if not self.is_inherited:
                self._handle.close()
            os.close(self._descriptor)

    @property
    def is_inherited(self) -> bool:
        """Whether it was opened before this process was forked, and is not for its use."""
        return self._process != os.getpid()

    def is_at(self, path: Path) -> bool:
        """Whether `path` still leads to this index, and not to one that took its place."""
        try:
            return file_key(path / DATA_FILE) == self.key
        except OSError:
            return False

    def newest_transaction(self) -> int:
        """Number of the newest commit.

        Raises:
            IndexDamagedError: the meta pages are damaged.
        """
        metas = read_meta_pages(self.path / DATA_FILE, self._descriptor)
        return max(meta.transaction for meta in metas)

    def is_overwritten(self, transaction: int) -> bool:
        """Whether pages of a commit that is being read may hold something else by now.

        A writer waits for every reader in the table of readers. Where the table cannot be written
        to, a commit is safe until the second one after it.

        Args:
            transaction: number of the commit.

        Raises:
            IndexDamagedError: the meta pages are damaged.
        """
        return not self.has_reader_table and self.newest_transaction() > transaction + 1

    def refuse_overwritten(self, transaction: int, remedy: str = "run this again") -> None:
        """Check that what was read until now is of the commit that was to be read.

        Args:
            transaction: number of the commit.
            remedy: what to do about it otherwise.

        Raises:
            EngineError: a writer that cannot see this reader has overwritten what it reads.
            IndexDamagedError: the meta pages are damaged.
        """
        if self.is_overwritten(transaction):
            raise EngineError(
                f"{self.path}: a writer has gone on without this process, which has no permission "
                f"to write to {LOCK_FILE} and so cannot be waited for; {remedy}, or give it that "
                "permission"
            )

    @contextlib.contextmanager
    def reading(self, transaction: int) -> Iterator[None]:
        """Refuse what is read in the block, and its errors, as `refuse_overwritten` does."""
        try:
            yield
        except Exception:
            self.refuse_overwritten(transaction)
            raise
        self.refuse_overwritten(transaction)

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
        self._refuse_inherited()
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
            except BaseException as error:
                number = transaction.id()
                transaction.abort()
                # What a writer wrote over these pages meanwhile is no damage.
                if not isinstance(error, IndexDamagedError) or not self.is_overwritten(number):
                    raise
            else:
                transaction.abort()
        raise IndexDamagedError(
            f"{self.path}: no snapshot can be taken: its lock file does not belong to it; if the "
            "index was replaced, end the processes that have the old one open"
        )

    def page_size(self) -> int:
        """Bytes of a page."""
        return read_meta_pages(self.path / DATA_FILE, self._descriptor)[0].page_size

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
        # Readers that died without a goodbye would keep old pages from being reused.
        self._handle.reader_check()
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

    def _refuse_inherited(self) -> None:
        if self.is_inherited:
            raise EngineError(
                f"{self.path} was opened by process {self._process}, before this one was forked "
                "from it; open it again in this process"
            )

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


def _detach_dropped() -> None:
    while _dropped:
        _dropped.popleft()._detach()


def _begin_anew() -> None:
    """Leave to the parent of a forked process what is the parent's."""
    global _registry_lock
    _registry_lock = threading.Lock()
    for key, environment in _open_environments.items():
        leave_to_parent(key, environment._handle)
    _open_environments.clear()


os.register_at_fork(after_in_child=_begin_anew)
