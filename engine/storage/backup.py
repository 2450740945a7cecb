"""A compact, consistent copy of an index, made while a writer may be at work."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import BinaryIO

from engine.errors import IndexWriteError, UsageError
from engine.storage import keys
from engine.storage.envelope import seal, unseal
from engine.storage.index_folder import DATA_FILE, sync_folder
from engine.storage.snapshot import Snapshot
from engine.storage.tree_file import ONLY_TRANSACTION, TreeFileWriter


def write_backup(snapshot: Snapshot, file: BinaryIO) -> int:
    """Write a commit as the data file of an index: front to back, without free pages.

    Every value is checked before it goes out.

    Returns:
        The number of bytes written.

    Raises:
        IndexDamagedError: a value is not what was written; what went out is no index.
        OSError: the file cannot be written.
    """
    manifest = dataclasses.replace(snapshot.manifest, transaction=ONLY_TRANSACTION)
    own = bytes(seal(keys.MANIFEST, manifest.to_bytes()))
    sizes = [
        (key, len(own) if key == keys.MANIFEST else len(value)) for key, value in snapshot.entries()
    ]
    writer = TreeFileWriter(file, snapshot.page_size(), sizes)
    for key, value in snapshot.entries():
        if key == keys.MANIFEST:
            writer.put(key, own)
            continue
        unseal(key, value, f"{snapshot.path}: {key.decode('ascii', 'replace')}")
        writer.put(key, value)
    writer.finish()
    file.flush()
    return writer.file_bytes


def back_up(path: str | Path, destination: str | Path) -> int:
    """Copy the newest commit of an index to a folder, where it is an index of its own.

    Args:
        path: directory of the index; writers and readers of it may be at work.
        destination: a folder that does not exist yet or is empty.

    Returns:
        The bytes of the copy.

    Raises:
        UsageError: the destination holds something.
        IndexWriteError: the copy cannot be written; nothing is left of it.
        IndexNotFoundError, IndexDamagedError, IndexFormatError: there is nothing to copy.
    """
    folder = Path(destination)
    snapshot = Snapshot(path)
    try:
        is_new = _prepare(folder)
        draft = folder / f"{DATA_FILE}.part"
        try:
            with draft.open("wb") as file:
                size = write_backup(snapshot, file)
                os.fsync(file.fileno())
            draft.replace(folder / DATA_FILE)
            sync_folder(folder)
        except BaseException:
            draft.unlink(missing_ok=True)
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


def _prepare(folder: Path) -> bool:
    """Make the folder of a backup; tells whether it is new."""
    if folder.is_dir():
        if any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty; name another folder for the backup")
        return False
    if folder.exists():
        raise UsageError(f"{folder} is a file; name a folder for the backup")
    folder.mkdir(parents=True)
    return True
