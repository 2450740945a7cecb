"""The indexing pipeline: catalog records -> text -> vectors -> index."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import CatalogError, IndexNotFoundError
from indexer.catalog import CatalogReader, CatalogRecord
from indexer.catalog_run import CatalogRun, EncodingOptions, IndexingSummary
from indexer.catalog_windows import CatalogWindows
from indexer.index_writer import IndexWriter
from indexer.model_choice import ModelChoice

if TYPE_CHECKING:
    from indexer.model import SparseModel


def index_catalog(
    reader: CatalogReader,
    model: SparseModel | ModelChoice,
    path: str | Path,
    *,
    batch_size: int | None = None,
    max_active_dims: int | None = None,
    progress: Callable[[int], None] | None = None,
    wait: float = 0.0,
) -> IndexingSummary:
    """Encode the records of catalogs and add them to an index, replacing known ids.

    Commits block by block, and once a minute between. Documents that are in the index already
    with the same text are not encoded again, so a run that was interrupted goes on from its last
    commit. When a catalog breaks off, or the user interrupts, what was encoded until then is
    committed; with a strict reader only full blocks are committed before the end. The index keeps
    which fields and how many weights were asked for (`SearchEngine.info().catalog_settings`); to
    ask for them again is for the caller, as `engine index` does.

    Args:
        reader: the catalogs; bad records go to its `rejects`.
        model: gives the vectors; a `ModelChoice` is loaded once there is a record to encode. An
            existing index must have been built with it.
        path: directory of the index.
        batch_size: documents that the model takes at a time; by default what is fast.
        max_active_dims: keep so many of the largest weights of each document.
        progress: called with the number of documents newly done.
        wait: how many seconds to wait for another writer to finish.

    Raises:
        CatalogError: a catalog cannot be read, or breaks off; or it holds no record that can be
            indexed, and an existing index is untouched.
        EngineError: see `IndexWriter`.
    """
    windows = CatalogWindows(reader)
    filled = require_records(windows, reader)
    writer, loaded = open_for_catalog(path, model, wait)
    options = EncodingOptions(batch_size, max_active_dims, progress)
    with writer:
        run = CatalogRun(writer, loaded, options, "index", reader)
        run.fill(filled, reader)
        run.finish()
    run.summary.fields = reader.fields
    return run.summary


def require_records(
    windows: CatalogWindows, reader: CatalogReader
) -> Iterator[list[CatalogRecord]]:
    """Return the windows of a catalog after reading the first.

    Raises:
        CatalogError: there is none, because the catalog holds no record that can be indexed.
    """
    iterator = iter(windows)
    first = next(iterator, None)
    if first is None:
        raise CatalogError(
            "no record could be indexed: " + reasons(reader) + "; the index is as it was before"
        )
    return _with_first(first, iterator)


def _with_first(
    first: list[CatalogRecord], others: Iterator[list[CatalogRecord]]
) -> Iterator[list[CatalogRecord]]:
    yield first
    yield from others


def reasons(reader: CatalogReader) -> str:
    """Say why a catalog gave no record, or which bad ones it holds."""
    counts = reader.rejects.counts
    if not counts:
        return "the catalog holds no records"
    return ", ".join(f"{count} {reason.value}" for reason, count in counts.items())


def open_for_catalog(
    path: str | Path, model: SparseModel | ModelChoice, wait: float
) -> tuple[IndexWriter, SparseModel | ModelChoice]:
    """Open the writer of a new or existing index, loading a model only where it must be known.

    Returns:
        The writer and, where it was loaded, the model.

    Raises:
        ModelMismatchError: the index was built with another model.
        EngineError: see `IndexWriter`.
    """
    begun = time.monotonic()
    try:
        writer = IndexWriter(path, wait=wait)
    except IndexNotFoundError:
        left = max(0.0, wait - (time.monotonic() - begun))
        loaded = model.load(None) if isinstance(model, ModelChoice) else model
        return IndexWriter(path, model=loaded, wait=left), loaded
    try:
        return writer, settle_model(writer, model)
    except BaseException:
        writer.close()
        raise


def settle_model(
    writer: IndexWriter, model: SparseModel | ModelChoice
) -> SparseModel | ModelChoice:
    """Check that a model is the one of an existing index, and load it where its name is another.

    One of the same name is compared with the index when it is loaded, before it encodes anything.

    Raises:
        ModelMismatchError: the index was built with another model.
    """
    record = writer.model
    if isinstance(model, ModelChoice):
        if record is not None and model.names(record):
            return model
        model = model.load(None if record is None else record.name)
    writer.use_model(model)
    return model
