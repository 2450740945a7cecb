"""Building an index anew beside the one in use, and switching in one step.

The new index grows in a folder of its own inside the index, and takes the place of the old one
when its last commit is on disk. Until then the old one stays as it is, whatever happens; readers
go on with it until they refresh.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import (
    CatalogError,
    IndexDamagedError,
    IndexFormatError,
    IndexNotFoundError,
    ModelError,
    ModelMismatchError,
)
from engine.storage.index_folder import DATA_FILE, REBUILD_FOLDER, remove_staged, replace_data_file
from engine.storage.lmdb_handle import LOCK_FILE_BYTES
from engine.storage.snapshot import Snapshot
from engine.storage.writer_lock import writer_lock
from indexer.catalog import CatalogReader, RejectReason
from indexer.catalog_run import CatalogRun, EncodingOptions, IndexingSummary
from indexer.catalog_windows import CatalogWindows
from indexer.index_writer import IndexWriter
from indexer.model_choice import ModelChoice
from indexer.pipeline import require_records
from indexer.seen_ids import SeenIds

if TYPE_CHECKING:
    from indexer.model import SparseModel

_BATCH = 1 << 16


def rebuild_index(
    reader: CatalogReader,
    model: SparseModel | ModelChoice,
    path: str | Path,
    *,
    ignore_rejects: bool = False,
    batch_size: int | None = None,
    max_active_dims: int | None = None,
    progress: Callable[[int], None] | None = None,
    wait: float = 0.0,
) -> IndexingSummary:
    """Build an index anew from catalogs, with any model, and put it in the place of the old one.

    Needs room for both. A run that was interrupted left the old index as it was; the same run
    again goes on after its last commit, unless it is given another model: then it starts anew.

    Args:
        reader: the catalogs, which together are the whole.
        model: gives the vectors; a `ModelChoice` without a name is the model of the old index.
        path: directory of the index; one that is not there appears when it is whole.
        ignore_rejects: switch even when the catalogs hold bad records.
        batch_size: documents that the model takes at a time; by default what is fast.
        max_active_dims: keep so many of the largest weights of each document.
        progress: called with the number of documents newly done.
        wait: how many seconds to wait for another writer to finish.

    Raises:
        CatalogError: a catalog cannot be read or holds bad records; the index is as it was.
        EngineError: see `IndexWriter`.
    """
    path = Path(path).absolute()
    options = EncodingOptions(batch_size, max_active_dims, progress)
    windows = CatalogWindows(reader)
    filled = require_records(windows, reader)
    loaded = _load(model, path)
    staged = path / REBUILD_FOLDER
    with writer_lock(path, wait):
        with _staged_writer(staged, loaded) as writer:
            run = CatalogRun(writer, loaded, options, "rebuild", reader)
            run.fill(filled, reader)
            if not ignore_rejects:
                writer.commit()
                _refuse_rejects(reader)
            deleted = _delete_others(writer, staged, windows.seen)
            run.finish(deleted=deleted, is_complete=True)
        replace_data_file(path, staged / DATA_FILE, LOCK_FILE_BYTES)
        remove_staged(staged)
    run.summary.fields = reader.fields
    return run.summary


def _load(model: SparseModel | ModelChoice, path: Path) -> SparseModel:
    if not isinstance(model, ModelChoice):
        return model
    recorded: str | None = None
    if model.name is None:
        try:
            snapshot = Snapshot(path)
        except IndexNotFoundError:
            return model.load(None)
        except (IndexDamagedError, IndexFormatError) as error:
            # What else could be done about it is beside the point.
            why = str(error).partition("; ")[0]
            raise ModelError(
                f"which model the index was built with cannot be read ({why}); name one with "
                "--model"
            ) from error
        if snapshot.manifest.model is not None:
            recorded = snapshot.manifest.model.name
        snapshot.close()
    return model.load(recorded)


def _staged_writer(staged: Path, model: SparseModel) -> IndexWriter:
    """Open what an earlier run left to go on with, or begin anew where that does not fit."""
    try:
        return IndexWriter(staged, model=model)
    except (ModelMismatchError, IndexDamagedError, IndexFormatError):
        remove_staged(staged)
        return IndexWriter(staged, model=model)


def _refuse_rejects(reader: CatalogReader) -> None:
    counts = reader.rejects.counts
    bad = reader.rejects.total - counts.get(RejectReason.DUPLICATE_ID, 0)
    if bad:
        first = next(
            reject
            for reason, reject in reader.rejects.first.items()
            if reason is not RejectReason.DUPLICATE_ID
        )
        raise CatalogError(
            f"the new index would lack the products of {bad:,} bad records, so the index is as it "
            "was; mend them and run the same command again, or say --ignore-rejects: nothing is "
            f"encoded twice. The first: {first}"
        )


def _delete_others(writer: IndexWriter, staged: Path, seen: SeenIds) -> int:
    """Delete what an earlier run put there and the catalogs of this one lack."""
    try:
        snapshot = Snapshot(staged)
    except IndexNotFoundError:
        return 0
    gone: list[str] = []
    try:
        for segment in snapshot.segments:
            for begin in range(0, segment.record.documents, _BATCH):
                end = min(begin + _BATCH, segment.record.documents)
                ids = [segment.id_of(at) for at in range(begin, end) if not segment.is_deleted(at)]
                gone += [one for one, known in zip(ids, seen.known(ids), strict=True) if not known]
    finally:
        snapshot.close()
    deleted = 0
    for begin in range(0, len(gone), _BATCH):
        if begin:
            writer.commit()
        batch = gone[begin : begin + _BATCH]
        deleted += len(batch) - len(writer.delete(batch))
    return deleted
