"""What a writer has taken since the last commit, and how it becomes the next one."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix, vstack

from engine.errors import IndexDamagedError, IndexWriteError
from engine.storage.block import MAX_BLOCK_DOCUMENTS
from engine.storage.segment import Segment, hash_ids
from engine.storage.segment_content import MergedSegments, SegmentContent
from engine.storage.snapshot import Snapshot
from engine.storage.store_writer import StoreWriter
from indexer.block_preparation import BlocksAhead, PreparedBlock, prepare_block, rows_between
from indexer.checked_input import CONTENT_HASH_BYTES
from indexer.merge_policy import SegmentSize, choose_merge
from indexer.pending_documents import PendingDocuments
from indexer.stored_vectors import Place, StoredVectors

_log = logging.getLogger(__name__)

# Documents with large fields fill a block by bytes before they fill it by number.
_PENDING_BYTES = 256 << 20
# Which documents are deleted, by the number of their segment.
Masks = dict[int, npt.NDArray[np.bool_]]


class Uncommitted:
    """Documents and deletions that wait for a commit, on top of the newest commit of a store.

    Ids are bytes of UTF-8 here, and everything was checked before.
    """

    def __init__(self, store: StoreWriter, threads: int) -> None:
        self._store = store
        self._threads = threads
        self._stored_vectors = StoredVectors()
        # None while it is not open, which is not to say that there is no commit.
        self._committed: Snapshot | None = store.snapshot()
        self._before: Snapshot | None = None
        self.forget()

    def close(self) -> None:
        """Let go of the commit that this stands on."""
        if self._committed is not None:
            self._before, self._committed = self._committed, None
        if self._before is not None:
            self._before.close()

    def forget(self) -> None:
        """Drop what waits."""
        self._pending = PendingDocuments()
        self._deleted: set[bytes] = set()
        # The segment in which the last checkpoint published what is pending.
        self._checkpoint: int | None = None
        self._has_changes = False

    def mixes(self, has_documents: bool) -> bool:
        """Whether documents wait that are stored, where these are not, or the other way round."""
        return bool(len(self._pending)) and has_documents != self._pending.has_documents

    def take(
        self,
        ids: Sequence[bytes],
        rows: csr_matrix,
        documents: Sequence[bytes] | None,
        hashes: Sequence[bytes] | None,
    ) -> None:
        """Add or replace documents; commits whenever a block is full."""
        begin = 0
        with BlocksAhead(ids, rows, self._store.manifest, self._threads) as ahead:
            try:
                while begin < len(ids):
                    prepared = None if len(self._pending) else ahead.take(begin)
                    end = min(len(ids), begin + MAX_BLOCK_DOCUMENTS - len(self._pending))
                    self._pending.extend(
                        ids[begin:end],
                        rows_between(rows, begin, end),
                        None if documents is None else documents[begin:end],
                        None if hashes is None else hashes[begin:end],
                    )
                    self._has_changes = True
                    begin = end
                    is_full = len(self._pending) >= MAX_BLOCK_DOCUMENTS
                    if is_full or self._pending.bytes >= _PENDING_BYTES:
                        ahead.start(end)
                        self.commit(prepared)
            finally:
                # What waits now outlives this call, and the caller may do as he likes with `rows`.
                self._pending.own_rows()

    def delete(self, identifier: bytes, place: Place | None) -> bool:
        """Delete a document that `locate` found at `place`; tells whether there was one."""
        was_pending = self._pending.discard(identifier)
        if place is not None:
            self._deleted.add(identifier)
        if place is None and not was_pending:
            return False
        self._has_changes = True
        return True

    def locate(self, ids: Sequence[bytes]) -> list[Place | None]:
        """Where ids live in the last commit, leaving out what is deleted or waits here again."""
        places: list[Place | None] = [None] * len(ids)
        hashed = hash_ids(ids)
        for segment in self._segments():
            if segment.record.number == self._checkpoint:
                continue
            for at, document in segment.find_many(ids, hashed):
                if ids[at] not in self._deleted:
                    places[at] = (segment, document)
        return places

    def holds(self, identifier: bytes, place: Place | None) -> bool:
        """Whether an id that `locate` found at `place` is live, committed or not."""
        return place is not None or identifier in self._pending

    def content_hash(self, identifier: bytes, place: Place | None) -> bytes:
        """The content hash of a live document, zeros where it has none."""
        if identifier in self._pending:
            found = self._pending.content_hash(identifier)
        else:
            found = None if place is None else place[0].content_hash(place[1])
        return found or bytes(CONTENT_HASH_BYTES)

    def document(self, identifier: bytes, place: Place | None) -> bytes | None:
        """The stored document of a live id, None where it has none."""
        if identifier in self._pending:
            return self._pending.document(identifier)
        return None if place is None else place[0].stored_document(place[1])

    def vectors(self, ids: Sequence[bytes], places: Sequence[Place | None]) -> csr_matrix:
        """Vectors of live documents, (N, V) float32, as they are stored.

        Raises:
            IndexDamagedError: some are not what was written.
        """
        manifest = self._store.manifest
        stored = [
            place
            for identifier, place in zip(ids, places, strict=True)
            if place is not None and identifier not in self._pending
        ]
        read = self._stored_vectors.read(stored, manifest.vocabulary_size, manifest.quantization)
        if len(stored) == len(ids):
            return read
        rows = []
        at = 0
        for identifier in ids:
            if identifier in self._pending:
                rows.append(self._pending.row(identifier))
            else:
                rows.append(read[at])
                at += 1
        return csr_matrix(vstack(rows, "csr"))

    def commit(self, prepared: PreparedBlock | None = None) -> None:
        """Publish what waits, if anything does; `prepared` is made of just that, if given."""
        if self._has_changes or not self._store.manifest.transaction:
            self._publish(prepared)
        elif self._store.has_unsaved_notes:
            self._commit_to_store()
        self.forget()

    def checkpoint(self) -> None:
        """Publish what waits, and keep it: the next commit or checkpoint replaces its segment."""
        if self._has_changes:
            self._publish()

    def _publish(self, prepared: PreparedBlock | None = None) -> None:
        """Commit what is pending, in place of the last checkpoint, as the next one."""
        ids, rows, documents, hashes = self._pending.live()
        number = self._store.manifest.next_segment
        content = []
        # Their order is that of a segment's own hashes, so that a search of it reads memory once.
        replaced: list[bytes] = []
        hashed = np.empty(0, np.uint64)
        if ids:
            if prepared is None or len(ids) < len(self._pending):
                prepared = prepare_block(ids, rows, self._store.manifest)
            inverted, parts = prepared
            content.append(SegmentContent([inverted], ids, documents, hashes, parts))
            replaced = [ids[at] for at in parts["id-documents"].tolist()]
            hashed = parts["id-hashes"]
        removed = list(self._deleted)
        deleted = self._marked_deleted(
            [*replaced, *removed], np.concatenate([hashed, hash_ids(removed)])
        )
        dropped = [] if self._checkpoint is None else [self._checkpoint]
        dropped += [one.record.number for one in self._segments() if not _live(one, deleted)]
        self._commit_to_store(content, deleted, dropped)
        # Only now: a commit that failed can be tried again.
        self._checkpoint = number if content else None
        self._deleted.clear()
        self._has_changes = False

    def _commit_to_store(
        self,
        added: Sequence[SegmentContent] = (),
        deleted: Masks | None = None,
        dropped: Sequence[int] = (),
    ) -> None:
        merged = self._worth_merging(deleted or {}, dropped)
        # The map cannot grow under a snapshot; the new commit is opened when it is next needed.
        self.close()
        try:
            self._store.commit(added, deleted, dropped, merged)
        except IndexWriteError:
            # What was asked for takes less room than merging on top of it.
            if merged is None:
                raise
            self._store.commit(added, deleted, dropped)

    def _segments(self) -> Sequence[Segment]:
        """Segments of the last commit, none before the first.

        Raises:
            EngineError: the commit cannot be opened.
        """
        if self._committed is None:
            self._committed = self._store.snapshot(self._before)
        return () if self._committed is None else self._committed.segments

    def _worth_merging(self, deleted: Masks, dropped: Sequence[int]) -> MergedSegments | None:
        """Merge segments of the last commit as they will be after the next, where it pays."""
        segments = [one for one in self._segments() if one.record.number not in dropped]
        chosen = choose_merge(
            [
                SegmentSize.of(one.record, _live(one, deleted), one.document_bytes())
                for one in segments
            ]
        )
        if not chosen:
            return None
        from indexer.merging import Piece, merged

        pieces = []
        for segment in segments:
            if (number := segment.record.number) in chosen:
                mask = deleted.get(number)
                mask = segment.deleted_mask() if mask is None else mask
                pieces.append(Piece(segment, np.flatnonzero(~mask)))
        try:
            return MergedSegments(chosen, merged(pieces, self._store.manifest.vocabulary_size))
        except IndexDamagedError as error:
            # A commit does not depend on what merging must read.
            _log.warning("segments were left as they are, not merged: %s", error)
            return None

    def _marked_deleted(self, ids: Sequence[bytes], hashed: npt.NDArray[np.uint64]) -> Masks:
        """Masks of deleted documents of the segments in which one of `ids` lives."""
        deleted: Masks = {}
        for segment in self._segments():
            found = segment.find_many(ids, hashed)
            if found and segment.record.number != self._checkpoint:
                mask = segment.deleted_mask()
                mask[[document for _, document in found]] = True
                deleted[segment.record.number] = mask
        return deleted


def _live(segment: Segment, deleted: Masks) -> int:
    """How many documents of a segment live once those in `deleted` are gone."""
    if (mask := deleted.get(segment.record.number)) is not None:
        return int(np.count_nonzero(~mask))
    return segment.record.documents - segment.record.deleted
