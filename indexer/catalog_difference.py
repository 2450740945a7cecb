"""How a catalog differs from an index, found without encoding anything or writing."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.errors import IndexNotFoundError
from engine.storage.segment import Segment, hash_ids
from engine.storage.snapshot import Snapshot
from indexer.catalog import CatalogReader, CatalogRecord
from indexer.catalog_windows import CatalogWindows, content_hash
from indexer.stored_state import StoredState, compare

# No record of the catalog has its id.
_GONE = len(StoredState)


@dataclass(frozen=True)
class ChangedIds:
    """Which ids are added, replaced and updated; see `CatalogDifference`."""

    added: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class CatalogDifference:
    """What must be done so that an index holds a catalog's products and no others.

    `added` ids are not in the index; `replaced` ones are, with another text, which must be
    encoded; `updated` ones have the same text and other fields; `unchanged` ones are as they are.
    `gone` are the ids in the index that the catalog lacks. `documents` is how many the index holds
    now. `ids` lists what is counted, where that was asked for.
    """

    added: int = 0
    replaced: int = 0
    updated: int = 0
    unchanged: int = 0
    gone: list[str] = field(default_factory=list)
    documents: int = 0
    ids: ChangedIds | None = None

    @property
    def records(self) -> int:
        """Distinct ids of the catalog."""
        return self.added + self.replaced + self.updated + self.unchanged

    @property
    def needs_records(self) -> bool:
        """Whether anything of the catalog must be written."""
        return bool(self.added or self.replaced or self.updated)


def compare_catalog(
    reader: CatalogReader,
    path: str | Path,
    max_active_dims: int | None = None,
    *,
    list_ids: bool = False,
) -> CatalogDifference:
    """Compare the catalogs of a reader with the newest commit of the index at `path`.

    Args:
        reader: the catalogs; bad records go to its `rejects`, and count as not there.
        path: directory of the index; one that is not there is empty.
        max_active_dims: as the index is, or will be, filled with.
        list_ids: list the ids of what differs too, which takes their memory.

    Raises:
        CatalogError: a catalog cannot be read, or breaks off.
        IndexDamagedError: the index cannot be read.
        EngineError: a writer has overwritten the commit meanwhile.
    """
    windows = CatalogWindows(reader)
    changed = ChangedIds() if list_ids else None
    try:
        snapshot = Snapshot(path)
    except IndexNotFoundError:
        added = sum(_count_new(_unmet(window, windows), changed) for window in windows)
        return CatalogDifference(added=added, ids=changed)
    try:
        with snapshot.reading():
            return _compare(windows, snapshot, max_active_dims, changed)
    finally:
        snapshot.close()


def _compare(
    windows: CatalogWindows,
    snapshot: Snapshot,
    max_active_dims: int | None,
    changed: ChangedIds | None,
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
                states_here[document] = compare(
                    content_hash(window[at], max_active_dims),
                    window[at].document,
                    segment.content_hash(document),
                    partial(segment.stored_document, document),
                )
                known.add(window[at].id)
        unmet = _unmet(window, windows)
        added += _count_new([record for record in unmet if record.id not in known], changed)
    counts = np.zeros(_GONE + 1, np.int64)
    gone: list[str] = []
    for segment, states_here in zip(snapshot.segments, states, strict=True):
        counts += np.bincount(states_here, minlength=len(counts))
        gone += _ids_where((states_here == _GONE) & ~segment.deleted_mask(), segment)
        if changed is not None:
            changed.replaced.extend(_ids_where(states_here == StoredState.OTHER_TEXT, segment))
            changed.updated.extend(_ids_where(states_here == StoredState.SAME_TEXT, segment))
    return CatalogDifference(
        added=added,
        replaced=int(counts[StoredState.OTHER_TEXT]),
        updated=int(counts[StoredState.SAME_TEXT]),
        unchanged=int(counts[StoredState.SAME]),
        gone=gone,
        documents=snapshot.manifest.documents,
        ids=changed,
    )


def _unmet(window: list[CatalogRecord], windows: CatalogWindows) -> list[CatalogRecord]:
    return [record for record in window if record.id not in windows.repeated]


def _count_new(records: list[CatalogRecord], changed: ChangedIds | None) -> int:
    if changed is not None:
        changed.added.extend(record.id for record in records)
    return len(records)


def _ids_where(mask: npt.NDArray[np.bool_], segment: Segment) -> list[str]:
    return [segment.id_of(document) for document in np.flatnonzero(mask).tolist()]
