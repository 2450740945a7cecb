"""The records of a catalog a window at a time, each id once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from engine.storage.segment import dump_document
from indexer.catalog import CatalogReader, CatalogRecord, RejectReason
from indexer.seen_ids import SeenIds

# Records are encoded a window at a time: the encoder batches by length, and the more texts it
# chooses from, the less it pads and the fuller its batches are.
WINDOW = 4096
# Text of a window, in characters: records may have megabytes each.
_WINDOW_CHARACTERS = 64 << 20
# What any value takes beside its characters, in characters: a list may hold millions of numbers.
_VALUE_CHARACTERS = 32


class CatalogWindows:
    """Iterates over the records of a reader in windows, and sets repeated ids aside.

    In a window each id occurs once: the last record counts, at the place where it is, or at the
    first place where all are equal. An id may come again in a later window.

    Attributes:
        repeated: ids of the last window that came in an earlier one too.
        seen: the ids of all windows so far.
    """

    def __init__(self, reader: CatalogReader) -> None:
        self._reader = reader
        self.repeated: set[str] = set()
        self.seen = SeenIds()

    def __iter__(self) -> Iterator[list[CatalogRecord]]:
        window: list[CatalogRecord] = []
        characters = 0
        for record in self._reader:
            window.append(record)
            characters += _characters(record)
            if len(window) == WINDOW or characters >= _WINDOW_CHARACTERS:
                yield self._distinct(window)
                window, characters = [], 0
        if window:
            yield self._distinct(window)

    def _distinct(self, window: list[CatalogRecord]) -> list[CatalogRecord]:
        before = self.seen.add([record.id for record in window])
        self.repeated = {one.id for one, known in zip(window, before, strict=True) if known}
        last: dict[str, CatalogRecord] = {}
        for record, was_seen in zip(window, before, strict=True):
            earlier = last.get(record.id)
            if was_seen or earlier is not None:
                self._reader.rejects.add(
                    RejectReason.DUPLICATE_ID,
                    record.source,
                    record.line,
                    f"id {record.id!r} was there before; this record replaces the earlier one",
                    record.id,
                )
            if earlier is not None:
                if _are_equal(earlier, record):
                    continue
                del last[record.id]
            last[record.id] = record
        return list(last.values())


def _characters(record: CatalogRecord) -> int:
    """How much a record takes, nested values and its text included."""
    total = len(record.text)
    # No recursion: records may be nested as deeply as a parser lets them.
    values: list[Any] = [record.document]
    while values:
        value = values.pop()
        total += _VALUE_CHARACTERS
        if isinstance(value, str):
            total += len(value)
        elif isinstance(value, dict):
            values.extend(value)
            values.extend(value.values())
        elif isinstance(value, list):
            values.extend(value)
    return total


def content_hash(record: CatalogRecord, max_active_dims: int | None) -> bytes:
    """Hash (16 bytes) of all that decides a document's vector, given the model."""
    content = record.text if max_active_dims is None else f"{max_active_dims}\0{record.text}"
    return hashlib.blake2b(content.encode(), digest_size=16).digest()


def _are_equal(one: CatalogRecord, other: CatalogRecord) -> bool:
    # Compared as they are stored: to Python 1, 1.0 and true are equal.
    return one.text == other.text and dump_document(one.document) == dump_document(other.document)
