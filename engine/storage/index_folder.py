"""The files of an index folder, and how a data file takes the place of another.

LMDB keeps its table of readers beside the data file, and a table that belongs to another file
would be fatal: so both files must change together. The data file is renamed into place, which is
what makes the new index, and then its lock file, which waits under a name that tells the data file
it belongs to. Whoever opens the index looks for one that waits, so a crash between the two does no
harm. Meanwhile nobody opens the index: opening holds the folder's own lock shared, replacing holds
it alone, for as long as two renames take.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from engine.errors import IndexWriteError

DATA_FILE = "data.mdb"
LOCK_FILE = "lock.mdb"
# Where an index is built anew before it takes the place of the old one.
REBUILD_FOLDER = "rebuild"
# Where compaction writes the file that takes the place of the old one.
COMPACTION_FOLDER = "compaction"
WRITER_LOCK = "writer.lock"
_INDEX_FILES = (DATA_FILE, LOCK_FILE, WRITER_LOCK)
_WAITING_LOCK = "lock.{}.mdb"
# What syncing a folder says on file systems that know no such thing, and of one that may be written
# to but not read.
_CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EROFS, errno.EACCES)


@contextlib.contextmanager
def opening(path: Path) -> Iterator[None]:
    """Keep the files of the index in `path` in place while they are being opened."""
    with _folder_lock(path, fcntl.LOCK_SH):
        _finish_replacement(path)
        yield


def replace_data_file(path: Path, staged: Path, lock_file_bytes: int) -> None:
    """Put a data file in the place of that of an index, in one step that a crash cannot halve.

    Processes that have the old file open go on reading it, and its space is free when the last of
    them lets go.

    Args:
        path: directory of the index, whose writer lock the caller holds.
        staged: the new data file, on the same file system and open nowhere.
        lock_file_bytes: size of LMDB's lock file.

    Raises:
        IndexWriteError: the disk is full, or the like; the message tells which index is there now.
    """
    try:
        with staged.open("rb") as file:
            os.fsync(file.fileno())
            inode = os.fstat(file.fileno()).st_ino
        waiting = path / _WAITING_LOCK.format(inode)
        reserve_lock_file(waiting, lock_file_bytes)
        try:
            with _folder_lock(path, fcntl.LOCK_EX):
                staged.replace(path / DATA_FILE)
                _finish_replacement(path)
        except BaseException:
            if staged.exists():
                waiting.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise IndexWriteError(
            f"{path}: the new index could not take the place of the old one: {error.strerror}; "
            "the index is as it was before; free some space or check permissions, then run the "
            "same command again"
        ) from error
    try:
        sync_folder(path)
    except OSError as error:
        raise IndexWriteError(
            f"{path}: the new index has taken the place of the old one, but whether that outlasts "
            f"a power failure is unknown: {error.strerror}; check the disk"
        ) from error


def reserve_lock_file(path: Path, size: int) -> None:
    """Take disk space for LMDB's lock file: it is mapped, and a full disk would kill the process.

    Raises:
        OSError: there is no space.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if os.fstat(descriptor).st_size < size:
            os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENODEV):
            raise
    finally:
        os.close(descriptor)


def create_data_file(path: Path, content: bytes) -> None:
    """Make a data file without any commit, whole from the instant at which it has its name.

    LMDB would make it empty first, and a first run that is killed then would leave what looks
    like an index that was truncated to nothing.

    Args:
        path: directory of the index, whose writer lock the caller holds.
        content: an environment in which nothing was committed.

    Raises:
        OSError: the disk is full, or the like; nothing is left of it.
    """
    draft = path / f"{DATA_FILE}.part"
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path / DATA_FILE)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def remove_uncommitted(path: Path) -> None:
    """Remove the files of an index that never had a commit; its writer still holds the lock."""
    with contextlib.suppress(OSError):
        for name in (DATA_FILE, LOCK_FILE, WRITER_LOCK):
            (path / name).unlink(missing_ok=True)
        # A folder that holds anything else was there before, or is in use: it stays.
        path.rmdir()


def remove_leftovers(path: Path) -> None:
    """Remove what processes that were killed left half-done; the caller holds the writer lock."""
    remove_staged(path / COMPACTION_FOLDER)
    awaited = _WAITING_LOCK.format(_inode(path / DATA_FILE))
    for file in path.glob(_WAITING_LOCK.format("*")):
        if file.name != awaited:
            file.unlink(missing_ok=True)


def remove_staged(folder: Path) -> None:
    """Remove an index that was to take the place of another, and nothing else that is there.

    The folder of an index may be one that somebody has other things in.
    """
    waiting = folder.glob(_WAITING_LOCK.format("*"))
    with contextlib.suppress(OSError):
        for file in (*(folder / name for name in _INDEX_FILES), *waiting):
            file.unlink(missing_ok=True)
        folder.rmdir()


def make_folder(path: Path) -> None:
    """Make a folder, and its parents as need be, as durable as what will be in it.

    Raises:
        OSError: it cannot be made, or a file has its name.
    """
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder as durable as the files are.

    Raises:
        OSError: the disk failed.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise


def _finish_replacement(path: Path) -> None:
    """Put in place the lock file of a data file whose replacement was interrupted."""
    inode = _inode(path / DATA_FILE)
    if inode is not None:
        # Without permission to write, nobody here keeps a table of readers either.
        with contextlib.suppress(OSError):
            (path / _WAITING_LOCK.format(inode)).rename(path / LOCK_FILE)


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


@contextlib.contextmanager
def _folder_lock(path: Path, operation: int) -> Iterator[None]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        # There is no folder, or no permission to look into it: what comes next will tell.
        yield
        return
    try:
        with contextlib.suppress(OSError):  # a file system without such locks
            fcntl.flock(descriptor, operation)
        yield
    finally:
        # Closing is not enough: a process that was forked meanwhile has the lock as well.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)
