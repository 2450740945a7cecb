"""One run that takes the records of catalogs into an index, and what came of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from engine.errors import CatalogError
from engine.storage.catalog_settings import CatalogSettings
from engine.storage.unfinished_run import UnfinishedRun
from indexer.catalog import CatalogReader, CatalogRecord, FieldChoice
from indexer.catalog_windows import content_hash
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


class CatalogRun:
    """One run that takes the records of catalogs into an index.

    Its commits say that the run is not finished, but for the last, by `finish`.

    Args:
        writer: the index; it keeps how catalogs were read.
        model: gives the vectors.
        options: how the run encodes.
        command: `index`, `sync` or `rebuild`.
        reader: the catalogs, of which only the fields are looked at here.

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
        reader: CatalogReader,
    ) -> None:
        writer.keep_settings(
            CatalogSettings(reader.id_field, reader.text_fields, options.max_active_dims)
        )
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
            record = self._writer.model
            self.model = self.model.load(None if record is None else record.name)
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
