"""The indexing pipeline: catalog records -> text -> vectors -> index."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import CatalogError
from indexer.catalog import CatalogReader, CatalogRecord, FieldChoice, RejectReason
from indexer.index_writer import IndexWriter

if TYPE_CHECKING:
    from indexer.model import SparseModel

# Records are encoded a window at a time: the encoder batches by length, and the more texts it
# chooses from, the less it pads and the fuller its batches are.
WINDOW = 4096
# Text of a window, in characters: records may have megabytes each.
_WINDOW_CHARACTERS = 64 << 20
# A run that is killed encodes again what it encoded since.
CHECKPOINT_SECONDS = 60.0


@dataclass
class IndexingSummary:
    """What a run of `index_catalog` did.

    `indexed` documents were encoded and written, `unchanged` ones were in the index already with
    the same text and fields. `truncated` of the indexed were longer than `max_length` tokens, the
    most that the model takes.
    """

    indexed: int = 0
    unchanged: int = 0
    replaced: int = 0
    truncated: int = 0
    max_length: int = 0
    documents: int = 0
    active_dimensions: float = 0.0
    seconds: float = 0.0
    encoding_seconds: float = 0.0
    fields: list[FieldChoice] = field(default_factory=list)


def index_catalog(
    reader: CatalogReader,
    model: SparseModel | Callable[[], SparseModel],
    path: str | Path,
    *,
    batch_size: int | None = None,
    max_active_dims: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> IndexingSummary:
    """Encode the records of catalogs and add them to an index, replacing known ids.

    Commits block by block, and once a minute between. Documents that are in the index already,
    unchanged, are not encoded again, so a run that was interrupted goes on from its last commit.
    When a catalog breaks off, or the user interrupts, what was encoded until then is committed;
    with a strict reader only full blocks are committed before the end.

    Args:
        reader: the catalogs; bad records go to its `rejects`.
        model: gives the vectors, or loads what does, once there is a record to encode; an
            existing index must have been built with it.
        path: directory of the index.
        batch_size: documents that the model takes at a time; by default what is fast.
        max_active_dims: keep so many of the largest weights of each document.
        progress: called with the number of documents newly done.

    Raises:
        CatalogError: a catalog cannot be read, or breaks off; or it holds no record that can be
            indexed, and an existing index is untouched.
        EngineError: see `IndexWriter`.
    """
    begun = time.perf_counter()
    summary = IndexingSummary()
    records = iter(reader)
    first = next(records, None)
    if first is None:
        raise CatalogError(
            "no record could be indexed: " + _reasons(reader) + "; the index is as it was before"
        )
    if callable(model):
        model = model()
    summary.max_length = model.max_length
    options: dict[str, Any] = {"max_active_dims": max_active_dims, "progress": progress}
    if batch_size is not None:
        options["batch_size"] = batch_size
    weights = 0
    with IndexWriter(path, model=model) as writer:
        known_before = len(writer)
        saved = time.monotonic()
        try:
            for window in _windows(chain([first], records)):
                fresh = _fresh(window, writer, reader, summary, max_active_dims)
                if progress is not None:
                    progress(len(window) - len(fresh))
                if not fresh:
                    continue
                started = time.perf_counter()
                encoded = model.encode_documents([record.text for record in fresh], **options)
                summary.encoding_seconds += time.perf_counter() - started
                summary.truncated += int(encoded.truncated.sum())
                summary.indexed += len(fresh)
                weights += encoded.vectors.nnz
                writer.add(
                    [record.id for record in fresh],
                    encoded.vectors,
                    [record.document for record in fresh],
                    [_content_hash(record, max_active_dims) for record in fresh],
                )
                if not reader.strict and time.monotonic() - saved > CHECKPOINT_SECONDS:
                    writer.checkpoint()
                    saved = time.monotonic()
        except (CatalogError, KeyboardInterrupt):
            if not reader.strict:
                writer.commit()
            raise
        writer.commit()
        summary.documents = len(writer)
    summary.replaced = summary.indexed - (summary.documents - known_before)
    summary.active_dimensions = weights / summary.indexed if summary.indexed else 0.0
    summary.fields = reader.fields
    summary.seconds = time.perf_counter() - begun
    return summary


def _windows(records: Iterator[CatalogRecord]) -> Iterator[list[CatalogRecord]]:
    window: list[CatalogRecord] = []
    characters = 0
    for record in records:
        window.append(record)
        values = record.document.values()
        characters += sum(len(value) for value in values if isinstance(value, str))
        if len(window) == WINDOW or characters >= _WINDOW_CHARACTERS:
            yield window
            window, characters = [], 0
    if window:
        yield window


def _fresh(
    window: list[CatalogRecord],
    writer: IndexWriter,
    reader: CatalogReader,
    summary: IndexingSummary,
    max_active_dims: int | None,
) -> list[CatalogRecord]:
    """Records of a window that must be encoded: the last of each id, unless it is unchanged."""
    before = writer.added_in_this_run([record.id for record in window])
    last: dict[str, CatalogRecord] = {}
    for record, is_known in zip(window, before, strict=True):
        if is_known or record.id in last:
            reader.rejects.add(
                RejectReason.DUPLICATE_ID,
                record.source,
                record.line,
                f"id {record.id!r} was there before; this record replaces the earlier one",
                record.id,
            )
            last.pop(record.id, None)
        last[record.id] = record
    kept = list(last.values())
    current = writer.current(
        [record.id for record in kept],
        [_content_hash(record, max_active_dims) for record in kept],
        [record.document for record in kept],
    )
    summary.unchanged += sum(current)
    return [record for record, same in zip(kept, current, strict=True) if not same]


def _content_hash(record: CatalogRecord, max_active_dims: int | None) -> bytes:
    """Hash of all that decides a document's vector, given the model."""
    content = record.text if max_active_dims is None else f"{max_active_dims}\0{record.text}"
    return hashlib.blake2b(content.encode(), digest_size=16).digest()


def _reasons(reader: CatalogReader) -> str:
    counts = reader.rejects.counts
    if not counts:
        return "the catalog holds no records"
    return ", ".join(f"{count} {reason.value}" for reason, count in counts.items())
