"""Checks of where an index is to be written, made before a model is loaded for minutes of work."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from engine.errors import IndexWriteError, UsageError
from engine.storage.index_folder import DATA_FILE
from engine.storage.writer_lock import writer_lock


def check_place(index_path: Path, wait: float = 0.0) -> float:
    """Check that an index can be written to a folder, without changing anything there.

    Args:
        index_path: the folder.
        wait: how many seconds to wait for another writer to finish.

    Returns:
        How many seconds are left of `wait`.

    Raises:
        UsageError: it is a file, or would lie beneath one.
        IndexWriteError: there is no permission to create the folder or to write to it.
        IndexLockedError: another writer is at work in it.
    """
    if index_path.exists():
        if not index_path.is_dir():
            raise UsageError(
                f"{index_path} is a file; name another folder for the index with --index"
            )
        if not os.access(index_path, os.W_OK | os.X_OK):
            raise _not_permitted(index_path)
        if (index_path / DATA_FILE).exists():
            begun = time.monotonic()
            with writer_lock(index_path, wait):
                return max(0.0, wait - (time.monotonic() - begun))
        return wait
    parent = next((folder for folder in index_path.absolute().parents if folder.exists()), None)
    if parent is None or not parent.is_dir():
        raise UsageError(f"{index_path} cannot be created: {parent} is not a folder")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise _not_permitted(parent)
    return wait


def rejects_path(chosen: Path | None, index_path: Path, catalogs: Sequence[str]) -> Path:
    """Return where bad records are written: as chosen, or beside the index.

    Raises:
        UsageError: that would overwrite a catalog, or lie inside the index.
    """
    if chosen is None:
        # The name of `.` or of `..` is known only once they are resolved.
        plain = index_path if index_path.name not in ("", "..") else index_path.resolve()
        chosen = plain.with_name(f"{plain.name or 'engine.index'}.rejects.jsonl")
    target = chosen.resolve()
    if index_path.resolve() in (target, *target.parents):
        raise UsageError(f"{chosen} lies inside the index; name another file with --rejects")
    for catalog in catalogs:
        if catalog != "-" and Path(catalog).resolve() == target:
            raise UsageError(f"{chosen} is one of the catalogs; name another file with --rejects")
    return chosen


def _not_permitted(folder: Path) -> IndexWriteError:
    return IndexWriteError(
        f"no permission to write to {folder.absolute()}; name another folder for the index with "
        "--index"
    )
