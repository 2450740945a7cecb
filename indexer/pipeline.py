"""The indexing pipeline: catalog records -> text -> vectors -> index."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import CatalogError, IndexNotFoundError
from engine.storage.unfinished_run import UnfinishedRun
from indexer.catalog import CatalogReader, CatalogRecord, FieldChoice
from indexer.catalog_windows import CatalogWindows, content_hash
from indexer.index_writer import IndexWriter
from indexer.model_choice import ModelChoice
from indexer.stored_state import StoredState

if TYPE_CHECKING:
    from indexer.model import SparseModel

# A run that is killed encodes again what it encoded since.
CHECKPOINT_SECONDS = 60.0
# An interruption costs at most so many documents; fewer would make the encoder's batches less full.
_ENCODED_AT_ONCE = 1024


@dataclass
class IndexingSummary:
    """What a run did.

    `indexed` documents were encoded and written. `updated` ones had the same text under their ids
    already and other fields, which were replaced without encoding; `unchanged` ones were there as
    they are. `replaced` of the indexed had ids that were known. `truncated` of the indexed were
    longer than `max_length` tokens, the most that the model takes.
    """

    indexed: int = 0
    updated: int = 0
    unchanged: int = 0
    replaced: int = 0
    truncated: int = 0
    max_length: int = 0
    documents: int = 0
    active_dimensions: float = 0.0
    seconds: float = 0.0
    encoding_seconds: float = 0.0
    fields: list[FieldChoice] = field(default_factory=list)


@dataclass(frozen=True)
class EncodingOptions:
    """How a run encodes.

    Attributes:
        batch_size: documents that the model takes at a time; by default what is fast.
        max_active_dims: keep so many of the largest weights of each document.
        progress: called with the number of documents newly done.
    """

    batch_size: int | None = None
    max_active_dims: int | None = None
    progress: Callable[[int], None] | None = None

    def for_model(self) -> dict[str, Any]:
        """Arguments of `SparseModel.encode_documents`."""
        options: dict[str, Any] = {
            "max_active_dims": self.max_active_dims,
            "progress": self.progress,
        }
        if self.batch_size is not None:
            options["batch_size"] = self.batch_size
        return options


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
    committed; with a strict reader only full blocks are committed before the end.

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
    run = CatalogRun(
        writer, loaded, EncodingOptions(batch_size, max_active_dims, progress), "index"
    )
    with writer:
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
    try:
        writer = IndexWriter(path, wait=wait)
    except IndexNotFoundError:
        loaded = model.load(None) if isinstance(model, ModelChoice) else model
        return IndexWriter(path, model=loaded, wait=wait), loaded
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
        model = model.load(record)
    writer.use_model(model)
    return model


class CatalogRun:
    """One run that takes the records of catalogs into an index.

    Its commits say that the run is not finished, but for the last, by `finish`.

    Attributes:
        summary: what was done so far.
        model: what gives the vectors, loaded when the first record must be encoded.
    """

    def __init__(
        self,
        writer: IndexWriter,
        model: SparseModel | ModelChoice,
        options: EncodingOptions,
        command: str,
    ) -> None:
        self.summary = IndexingSummary()
        self.model = model
        self._writer = writer
        self._options = options
        self._command = command
        self._known_before = len(writer)
        self._weights = 0
        self._begun = time.perf_counter()
        self._record: UnfinishedRun | None = None
        self._next_checkpoint = math.inf

    def fill(self, windows: Iterable[list[CatalogRecord]], reader: CatalogReader) -> None:
        """Add or replace all records, encoding those whose text is new.

        Raises:
            CatalogError: the catalog breaks off; what came before is committed, unless the reader
                is strict.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._record = UnfinishedRun(self._command, tuple(reader.names), now)
        self._writer.begin_run(self._record)
        if not reader.strict:
            self._next_checkpoint = time.monotonic() + CHECKPOINT_SECONDS
        try:
            for window in windows:
                self._take(window)
                self._save_if_due()
        except (CatalogError, KeyboardInterrupt):
            if not reader.strict:
                self._writer.commit()
            raise
        finally:
            # Closes the file that the catalog is read from, where an error left it open.
            if isinstance(windows, Generator):
                windows.close()

    def finish(self, *, deleted: int = 0, is_complete: bool = False) -> None:
        """Commit, and say that the run has come to its end.

        Args:
            deleted: documents that were deleted by the way.
            is_complete: the index holds all that it should, whatever earlier runs left undone.
        """
        if is_complete:
            self._writer.end_all_runs()
        elif self._record is not None:
            self._writer.end_run(self._record)
        self._writer.commit()
        summary = self.summary
        summary.documents = len(self._writer)
        grown = summary.documents + deleted - self._known_before
        summary.replaced = summary.indexed - grown
        summary.active_dimensions = self._weights / summary.indexed if summary.indexed else 0.0
        if (model := self._writer.model) is not None:
            summary.max_length = model.max_length
        summary.seconds = time.perf_counter() - self._begun

    def _save_if_due(self) -> None:
        if time.monotonic() > self._next_checkpoint:
            self._writer.checkpoint()
            self._next_checkpoint = time.monotonic() + CHECKPOINT_SECONDS

    def _take(self, window: list[CatalogRecord]) -> None:
        dims = self._options.max_active_dims
        states = self._writer.states(
            [record.id for record in window],
            [content_hash(record, dims) for record in window],
            [record.document for record in window],
        )
        by_state: dict[StoredState, list[CatalogRecord]] = {state: [] for state in StoredState}
        for record, state in zip(window, states, strict=True):
            by_state[state].append(record)
        updated, fresh = by_state[StoredState.SAME_TEXT], by_state[StoredState.OTHER_TEXT]
        if updated:
            self._writer.update_documents(
                [record.id for record in updated], [record.document for record in updated]
            )
        self.summary.updated += len(updated)
        self.summary.unchanged += len(window) - len(updated) - len(fresh)
        if self._options.progress is not None:
            self._options.progress(len(window) - len(fresh))
        if fresh:
            self._encode(fresh)

    def _encode(self, fresh: list[CatalogRecord]) -> None:
        if isinstance(self.model, ModelChoice):
            started = time.perf_counter()
            self.model = self.model.load(self._writer.model)
            self._writer.use_model(self.model)
            self._begun += time.perf_counter() - started
        for begin in range(0, len(fresh), _ENCODED_AT_ONCE):
            self._encode_some(self.model, fresh[begin : begin + _ENCODED_AT_ONCE])
            self._save_if_due()

    def _encode_some(self, model: SparseModel, fresh: list[CatalogRecord]) -> None:
        started = time.perf_counter()
        encoded = model.encode_documents(
            [record.text for record in fresh], **self._options.for_model()
        )
        self.summary.encoding_seconds += time.perf_counter() - started
        self.summary.truncated += int(encoded.truncated.sum())
        self.summary.indexed += len(fresh)
        self._weights += encoded.vectors.nnz
        self._writer.upsert(
            [record.id for record in fresh],
            encoded.vectors,
            [record.document for record in fresh],
            [content_hash(record, self._options.max_active_dims) for record in fresh],
        )
