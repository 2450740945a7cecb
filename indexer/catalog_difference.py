"""How a catalog differs from an index, found without encoding anything or writing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from engine.errors import IndexNotFoundError
from engine.storage.segment import Segment, dump_document, hash_ids
from engine.storage.snapshot import Snapshot
from indexer.catalog import CatalogReader, CatalogRecord
from indexer.catalog_windows import CatalogWindows, content_hash

_GONE, _SAME, _SAME_TEXT, _OTHER_TEXT = range(4)


@dataclass(frozen=True)
class CatalogDifference:
    """What must be done so that an index holds a catalog's products and no others.

    `added` ids are not in the index; `replaced` ones are, with another text, which must be
    encoded; `updated` ones have the same text and other fields; `unchanged` ones are as they are.
    `gone` are the ids in the index that the catalog lacks. `documents` is how many the index holds
    now.
    """

    added: int = 0
    replaced: int = 0
    updated: int = 0
    unchanged: int = 0
    gone: list[str] = field(default_factory=list)
    documents: int = 0

    @property
    def records(self) -> int:
        """Distinct ids of the catalog."""
        return self.added + self.replaced + self.updated + self.unchanged

    @property
    def needs_records(self) -> bool:
        """Whether anything of the catalog must be written."""
        return bool(self.added or self.replaced or self.updated)


def compare_catalog(
    reader: CatalogReader, path: str | Path, max_active_dims: int | None = None
) -> CatalogDifference:
    """Compare the catalogs of a reader with the newest commit of the index at `path`.

    Args:
        reader: the catalogs; bad records go to its `rejects`, and count as not there.
        path: directory of the index; one that is not there is empty.
        max_active_dims: as the index is, or will be, filled with.

    Raises:
        CatalogError: a catalog cannot be read, or breaks off.
        IndexDamagedError: the index cannot be read.
        EngineError: a writer has overwritten the commit meanwhile.
    """
    windows = CatalogWindows(reader)
    try:
        snapshot = Snapshot(path)
    except IndexNotFoundError:
        return CatalogDifference(added=sum(len(_unmet(window, windows)) for window in windows))
    try:
        with snapshot.reading():
            return _compare(windows, snapshot, max_active_dims)
    finally:
        snapshot.close()


def _compare(
    windows: CatalogWindows, snapshot: Snapshot, max_active_dims: int | None
) -> CatalogDifference:
    # One state a document, so that of records with equal ids the last one counts.
    states = [np.full(segment.record.documents, _GONE, np.uint8) for segment in snapshot.segments]
    added = 0
    for window in windows:
        known: set[str] = set()
        ids = [record.id.encode() for record in window]
        hashed = hash_ids(ids)
        for segment, states_here in zip(snapshot.segments, states, strict=True):
            for at, document in segment.find_many(ids, hashed):
                states_here[document] = _state(window[at], segment, document, max_active_dims)
                known.add(window[at].id)
        added += sum(record.id not in known for record in _unmet(window, windows))
    counts = np.zeros(_OTHER_TEXT + 1, np.int64)
    gone: list[str] = []
    for segment, states_here in zip(snapshot.segments, states, strict=True):
        counts += np.bincount(states_here, minlength=len(counts))
        missing = np.flatnonzero((states_here == _GONE) & ~segment.deleted_mask())
        gone.extend(segment.id_of(document) for document in missing.tolist())
    return CatalogDifference(
        added=added,
        replaced=int(counts[_OTHER_TEXT]),
        updated=int(counts[_SAME_TEXT]),
        unchanged=int(counts[_SAME]),
        gone=gone,
        documents=snapshot.manifest.documents,
    )


def _unmet(window: list[CatalogRecord], windows: CatalogWindows) -> list[CatalogRecord]:
    return [record for record in window if record.id not in windows.repeated]


def _state(
    record: CatalogRecord, segment: Segment, document: int, max_active_dims: int | None
) -> int:
    if segment.content_hash(document) != content_hash(record, max_active_dims):
        return _OTHER_TEXT
    same = segment.stored_document(document) == dump_document(record.document)
    return _SAME if same else _SAME_TEXT
