"""Making an index equal to a catalog: what is new is added, what is gone is deleted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import CatalogError, IndexNotFoundError
from indexer.catalog import CatalogReader, RejectLog, RejectReason
from indexer.catalog_difference import CatalogDifference, compare_catalog
from indexer.catalog_run import CatalogRun, EncodingOptions, IndexingSummary
from indexer.catalog_windows import CatalogWindows
from indexer.index_writer import IndexWriter
from indexer.model_choice import ModelChoice
from indexer.pipeline import open_for_catalog, reasons, settle_model

if TYPE_CHECKING:
    from indexer.model import SparseModel

# Deleted in commits of so many, so that memory is bounded.
_BATCH = 1 << 16

OpenReader = Callable[[RejectLog], CatalogReader]


@dataclass(frozen=True)
class DeletionLimits:
    """What a catalog may delete from an index.

    Attributes:
        all: every document may go. Otherwise a catalog that is empty, or has no id in common with
            the index, changes nothing.
        despite_rejects: documents are deleted even when the catalog holds bad records, any of
            which may be that of a document which seems to be gone.
        most: with more deletions than this nothing is changed; None for any number.
    """

    all: bool = False
    despite_rejects: bool = False
    most: int | None = None


@dataclass(frozen=True)
class SyncSummary:
    """What a run did, or with a dry run would do.

    Attributes:
        difference: between the catalog and the index as it was.
        indexing: the run that added and replaced, with what was taken from each catalog.
        deleted: documents that the catalog lacks, and that were deleted.
        withheld: documents that the catalog lacks, and that were kept because of bad records.
        seconds: the time of all of it.
    """

    difference: CatalogDifference
    indexing: IndexingSummary
    deleted: int
    withheld: int
    seconds: float

    @property
    def documents(self) -> int:
        """What the index holds at the end."""
        return self.indexing.documents


def sync_catalog(
    open_reader: OpenReader,
    model: SparseModel | ModelChoice,
    path: str | Path,
    *,
    rejects: RejectLog | None = None,
    limits: DeletionLimits = DeletionLimits(),
    dry_run: bool = False,
    batch_size: int | None = None,
    max_active_dims: int | None = None,
    progress: Callable[[int], None] | None = None,
    wait: float = 0.0,
) -> SyncSummary:
    """Make an index hold exactly the products of a catalog.

    The catalog is read twice: first to find what differs, without changing anything, then to add
    and replace, which commits as it goes. What is gone is deleted at the end, so that a run which
    is killed has lost nothing; the same run again goes on where it was.

    Args:
        open_reader: opens the catalogs; called twice, with the log for bad records.
        model: as with `index_catalog`.
        path: directory of the index; one that is not there is made.
        rejects: where bad records go; by default they are only counted.
        limits: what may be deleted.
        dry_run: only compare, and list ids; neither the model nor the right to write is needed.
        batch_size: documents that the model takes at a time; by default what is fast.
        max_active_dims: keep so many of the largest weights of each document.
        progress: called with the number of documents newly done.
        wait: how many seconds to wait for another writer to finish.

    Raises:
        CatalogError: the catalog cannot be read, breaks off, or would delete more than `limits`
            allow; the index is as it was before.
        EngineError: see `IndexWriter`.
    """
    begun = time.perf_counter()
    rejects = RejectLog() if rejects is None else rejects
    options = EncodingOptions(batch_size, max_active_dims, progress)

    def compare() -> tuple[CatalogDifference, CatalogReader]:
        reader = open_reader(rejects)
        difference = compare_catalog(reader, path, max_active_dims, list_ids=dry_run)
        _refuse_too_much(difference, reader, limits)
        return difference, reader

    if dry_run:
        difference, compared = compare()
        gone = _deletable(difference, rejects, limits)
        withheld = len(difference.gone) - len(gone)
        documents = difference.records + withheld
        done = IndexingSummary(documents=documents, fields=compared.fields)
        seconds = time.perf_counter() - begun
        return SyncSummary(difference, done, len(gone), withheld, seconds)
    waiting = time.monotonic()
    try:
        writer = IndexWriter(path, wait=wait)
    except IndexNotFoundError:
        left = max(0.0, wait - (time.monotonic() - waiting))
        difference, compared = compare()
        writer, model = open_for_catalog(path, model, left)
    else:
        try:
            model = settle_model(writer, model)
            difference, compared = compare()
        except BaseException:
            writer.close()
            raise
    with writer:
        run = CatalogRun(writer, model, options, "sync", compared)
        gone = _deletable(difference, rejects, limits)
        withheld = len(difference.gone) - len(gone)
        if difference.needs_records:
            reader = open_reader(RejectLog())
            windows = CatalogWindows(reader)
            run.fill(windows, reader)
            # The catalog may have been written again since it was compared.
            gone = [
                one for one, came in zip(gone, windows.seen.known(gone), strict=True) if not came
            ]
        for begin in range(0, len(gone), _BATCH):
            if begin:
                writer.commit()
            writer.delete(gone[begin : begin + _BATCH])
        run.finish(deleted=len(gone), is_complete=not withheld)
    run.summary.fields = compared.fields
    return SyncSummary(difference, run.summary, len(gone), withheld, time.perf_counter() - begun)


def _refuse_too_much(
    difference: CatalogDifference, reader: CatalogReader, limits: DeletionLimits
) -> None:
    gone = len(difference.gone)
    if not difference.records and not limits.all:
        raise CatalogError(
            f"no record could be indexed: {reasons(reader)}; nothing was changed"
            + (
                f". To delete all {gone:,} documents, say --allow-delete-all"
                if difference.documents and not reader.rejects.total
                else ""
            )
        )
    if gone and gone == difference.documents and not limits.all:
        raise CatalogError(
            f"no id of the catalog is in the index, so all {gone:,} documents would be deleted; "
            "nothing was changed. Check --id-field and --index; if it is meant, say "
            "--allow-delete-all, or build anew with engine index --rebuild"
        )
    if limits.most is not None and gone > limits.most:
        raise CatalogError(
            f"{gone:,} documents would be deleted, and --max-delete allows {limits.most:,}; "
            "nothing was changed"
        )


def _deletable(
    difference: CatalogDifference, rejects: RejectLog, limits: DeletionLimits
) -> list[str]:
    """Ids to be deleted: none while a bad record may be that of a document that seems gone."""
    bad = rejects.total - rejects.counts.get(RejectReason.DUPLICATE_ID, 0)
    return difference.gone if limits.despite_rejects or not bad else []
