"""Compaction: an index written anew, without deleted documents, free pages or small segments."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.errors import IndexWriteError
from engine.storage import keys
from engine.storage.block import MAX_BLOCK_DOCUMENTS
from engine.storage.envelope import seal, unseal
from engine.storage.index_folder import (
    COMPACTION_FOLDER,
    DATA_FILE,
    remove_leftovers,
    replace_data_file,
)
from engine.storage.lmdb_handle import LOCK_FILE_BYTES
from engine.storage.manifest import SegmentRecord
from engine.storage.segment import Segment
from engine.storage.segment_content import segment_record, segment_values
from engine.storage.snapshot import Snapshot
from engine.storage.tree_file import ONLY_TRANSACTION, TreeFileWriter, tree_file_bytes
from engine.storage.writer_lock import writer_lock
from engine.version import __version__
from indexer.merge_policy import LARGEST_MERGE_BYTES
from indexer.merging import Piece, merged

# A file that has few pages to spare is as good as a new one.
_SPARE_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class CompactionSummary:
    """What compacting an index changed; sizes are those of the file, in bytes.

    Attributes:
        is_changed: whether it was written anew; False where there was nothing to gain.
        documents: live documents.
        dropped: deleted documents that were still stored before.
        segments_before, segments, bytes_before, bytes: before and after.
    """

    is_changed: bool
    documents: int
    dropped: int
    segments_before: int
    segments: int
    bytes_before: int
    bytes: int


def compact(path: str | Path, *, wait: float = 0.0) -> CompactionSummary:
    """Merge all segments into full blocks, drop deleted documents, and give the space back.

    The new file is written beside the old one and takes its place in one step; until then the
    index is as it was, whatever happens. Readers go on with the old one until they refresh, and
    its space is free when the last of them lets go. Needs room for both, and the memory of a
    block. An index that is compact already is left as it is.

    Args:
        path: directory of the index.
        wait: how many seconds to wait for a writer to finish.

    Raises:
        IndexNotFoundError, IndexDamagedError, IndexFormatError: the index cannot be read.
        IndexLockedError: a writer is at work.
        IndexWriteError: the disk is full, or the like.
    """
    path = Path(path).absolute()
    # Before the lock is taken, which would make a folder where there is none.
    Snapshot(path).close()
    with writer_lock(path, wait):
        remove_leftovers(path)
        snapshot = Snapshot(path)
        try:
            summary, is_compact = _outlook(snapshot)
            if is_compact:
                return summary
            size = _write_beside(snapshot, path / COMPACTION_FOLDER)
            snapshot.close()
            replace_data_file(path, path / COMPACTION_FOLDER / DATA_FILE, LOCK_FILE_BYTES)
            return dataclasses.replace(summary, is_changed=True, bytes=size)
        finally:
            snapshot.close()
            remove_leftovers(path)


def _outlook(snapshot: Snapshot) -> tuple[CompactionSummary, bool]:
    """What compacting will come to, and whether there is nothing to gain."""
    blocks, is_whole = 0, True
    for block in _full_blocks(snapshot.segments):
        blocks += 1
        is_whole = is_whole and _whole_segment(block) is not None
    size = snapshot.file_bytes()
    summary = CompactionSummary(
        is_changed=False,
        documents=snapshot.manifest.documents,
        dropped=int(snapshot.first_documents[-1]) - snapshot.manifest.documents,
        segments_before=len(snapshot.segments),
        segments=blocks,
        bytes_before=size,
        bytes=size,
    )
    values = [(key, len(value)) for key, value in snapshot.entries()]
    least = tree_file_bytes(values, snapshot.page_size())
    return summary, is_whole and size <= least * (1 + _SPARE_SHARE)


def _write_beside(snapshot: Snapshot, folder: Path) -> int:
    """Write the compact index to a file in `folder`; returns its size."""
    try:
        folder.mkdir()
        with (folder / DATA_FILE).open("wb") as file:
            writer = TreeFileWriter(file, snapshot.page_size())
            _write(snapshot, writer)
            file.flush()
            os.fsync(file.fileno())
        return writer.file_bytes
    except OSError as error:
        raise IndexWriteError(
            f"{snapshot.path} could not be compacted and is as it was before: {error.strerror}; "
            "compacting needs room for a second index beside it"
        ) from error


def _write(snapshot: Snapshot, writer: TreeFileWriter) -> None:
    manifest = snapshot.manifest
    records: list[SegmentRecord] = []
    number = manifest.next_segment
    for key, value in snapshot.entries():
        if key != keys.MANIFEST and not key.startswith(keys.SEGMENTS):
            _copy(writer, key, value, snapshot)
    for block in _full_blocks(snapshot.segments):
        if (whole := _whole_segment(block)) is not None:
            prefix = keys.segment_part(whole.record.number, "")
            for key, value in snapshot.entries(prefix):
                _copy(writer, key, value, snapshot)
            records.append(whole.record)
            continue
        content = merged(block, manifest.vocabulary_size)
        for key, payload in segment_values(number, content):
            writer.put(key, seal(key, payload() if callable(payload) else payload))
        records.append(segment_record(number, content))
        number += 1
    compact = dataclasses.replace(
        manifest,
        segments=tuple(records),
        next_segment=number,
        transaction=ONLY_TRANSACTION,
        software=__version__,
    )
    writer.put(keys.MANIFEST, seal(keys.MANIFEST, compact.to_bytes()))
    writer.finish()


def _copy(writer: TreeFileWriter, key: bytes, value: memoryview, snapshot: Snapshot) -> None:
    unseal(key, value, f"{snapshot.path}: {key.decode()}")
    writer.put(key, value)


def _full_blocks(segments: Sequence[Segment]) -> Iterator[list[Piece]]:
    """Live documents in order, as many together as a writer puts into a block."""
    block: list[Piece] = []
    documents = size = 0
    for segment in segments:
        if block and block[0].segment.record.has_documents != segment.record.has_documents:
            yield block
            block, documents, size = [], 0, 0
        live = np.flatnonzero(~segment.deleted_mask())
        lengths = segment.document_lengths()[live]
        begin = 0
        while begin < len(live):
            sizes = size + np.cumsum(lengths[begin : begin + MAX_BLOCK_DOCUMENTS - documents])
            count = min(len(sizes), int(np.searchsorted(sizes, LARGEST_MERGE_BYTES)) + 1)
            block.append(Piece(segment, live[begin : begin + count]))
            documents += count
            size = int(sizes[count - 1])
            begin += count
            if documents == MAX_BLOCK_DOCUMENTS or size >= LARGEST_MERGE_BYTES:
                yield block
                block, documents, size = [], 0, 0
    if block:
        yield block


def _whole_segment(block: Sequence[Piece]) -> Segment | None:
    """The segment that a block is all of, as it is stored; None where there is no such."""
    segment, documents = block[0]
    is_all = len(block) == 1 and len(documents) == segment.record.documents
    return segment if is_all and len(segment.record.blocks) == 1 else None
