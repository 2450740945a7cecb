"""A compact, consistent copy of an index, made while a writer may be at work."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from engine.errors import IndexWriteError, UsageError
from engine.storage import keys
from engine.storage.envelope import seal, unseal
from engine.storage.index_folder import DATA_FILE, make_folder, sync_folder
from engine.storage.snapshot import Snapshot
from engine.storage.tree_file import ONLY_TRANSACTION, TreeFileWriter, tree_file_bytes

Progress = Callable[[int, int], None]


def write_backup(snapshot: Snapshot, file: BinaryIO, progress: Progress | None = None) -> int:
    """Write a commit as the data file of an index: front to back, without free pages.

    Every value is checked before it goes out.

    Args:
        snapshot: the commit.
        file: need not be able to seek.
        progress: called after each value with the bytes that are written and those there are.

    Returns:
        The number of bytes written.

    Raises:
        IndexDamagedError: a value is not what was written; what went out is no index.
        EngineError: a writer has overwritten the commit; what went out is no index.
        OSError: the file cannot be written.
    """
    manifest = dataclasses.replace(snapshot.manifest, transaction=ONLY_TRANSACTION)
    own = bytes(seal(keys.MANIFEST, manifest.to_bytes()))
    sizes = [
        (key, len(own) if key == keys.MANIFEST else len(value)) for key, value in snapshot.entries()
    ]
    total = tree_file_bytes(sizes, snapshot.page_size())
    writer = TreeFileWriter(file, snapshot.page_size(), sizes)
    for key, value in snapshot.entries():
        with snapshot.reading():
            if key == keys.MANIFEST:
                writer.put(key, own)
            else:
                unseal(key, value, f"{snapshot.path}: {keys.describe(key)}")
                writer.put(key, value)
        if progress is not None:
            progress(writer.file_bytes, total)
    writer.finish()
    file.flush()
    return writer.file_bytes


def back_up(path: str | Path, destination: str | Path, *, progress: Progress | None = None) -> int:
    """Copy the newest commit of an index to a folder, where it is an index of its own.

    Args:
        path: directory of the index; writers and readers of it may be at work.
        destination: a folder that does not exist yet or is empty.
        progress: called now and then with the bytes that are written and those there are.

    Returns:
        The bytes of the copy.

    Raises:
        UsageError: the destination holds something.
        IndexWriteError: the copy cannot be written; nothing is left of it.
        IndexNotFoundError, IndexDamagedError, IndexFormatError: there is nothing to copy.
    """
    folder = Path(destination)
    if Path(path).resolve() in (folder.resolve(), *folder.resolve().parents):
        raise UsageError(f"{folder} is inside the index; name a folder elsewhere for the backup")
    snapshot = Snapshot(path)
    try:
        is_new = _prepare(folder)
        draft = folder / f"{DATA_FILE}.part"
        try:
            with draft.open("wb") as file:
                size = write_backup(snapshot, file, progress)
                os.fsync(file.fileno())
            draft.replace(folder / DATA_FILE)
            sync_folder(folder)
        except BaseException:
            draft.unlink(missing_ok=True)
            (folder / DATA_FILE).unlink(missing_ok=True)
            if is_new:
                folder.rmdir()
            raise
        return size
    except OSError as error:
        raise IndexWriteError(
            f"{folder}: the backup could not be written: {error.strerror}; nothing is left of it"
        ) from error
    finally:
        snapshot.close()


def stream_backup(path: str | Path, file: BinaryIO, *, progress: Progress | None = None) -> int:
    """Write the newest commit of an index to a pipe or file, as the `data.mdb` of a copy.

    Args:
        path: directory of the index; writers and readers of it may be at work.
        file: where to; it need not be able to seek.
        progress: called now and then with the bytes that are written and those there are.

    Returns:
        The bytes of the copy.

    Raises:
        BrokenPipeError: nobody reads it any more.
        IndexWriteError: it cannot be written; what was written is no index.
        IndexNotFoundError, IndexFormatError: there is nothing to copy.
        IndexDamagedError: something is damaged; what was written is no index.
    """
    snapshot = Snapshot(path)
    try:
        return write_backup(snapshot, file, progress)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise IndexWriteError(
            f"the backup of {path} could not be written: {error.strerror}; what was written of it "
            "is no index"
        ) from error
    finally:
        snapshot.close()


def _prepare(folder: Path) -> bool:
    """Make the folder of a backup; tells whether it is new."""
    if folder.is_dir():
        if any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty; name another folder for the backup")
        return False
    if folder.exists():
        raise UsageError(f"{folder} is a file; name a folder for the backup")
    make_folder(folder)
    return True
