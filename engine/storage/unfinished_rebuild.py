"""A new index that was begun beside the one in use, and has not taken its place yet."""

from __future__ import annotations

from pathlib import Path

from engine.errors import EngineError
from engine.storage.index_folder import REBUILD_FOLDER, opening
from engine.storage.snapshot import Snapshot
from engine.storage.unfinished_run import UnfinishedRun


def unfinished_rebuild(path: Path) -> tuple[UnfinishedRun, ...]:
    """Runs that fill the new index beside the index in `path`; none where there is no such."""
    if not (path / REBUILD_FOLDER).is_dir():
        return ()
    # Its file must not become that of the index while it is open, with a table of readers that is
    # not the index's.
    with opening(path):
        try:
            snapshot = Snapshot(path / REBUILD_FOLDER)
        except EngineError:
            # Nothing was committed yet, or it will be begun anew: nothing to go on with.
            return ()
        try:
            return snapshot.unfinished_runs()
        except EngineError:
            return ()
        finally:
            snapshot.close()
