"""What the parts of a segment must be: ids, the way back from them, documents and tombstones.

Each function tells what is not as the format has it, one problem a line. They are given parts whose
checksums are right, and believe nothing else of them.
"""

from __future__ import annotations

import itertools
import json
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.storage.block import MAX_BLOCK_DOCUMENTS
from engine.storage.manifest import SegmentRecord
from engine.storage.segment import Segment, hash_id

_LONGEST_ID = 65_535


def record_problems(record: SegmentRecord) -> Iterator[str]:
    """Counts of the manifest that contradict each other."""
    counts = [block.documents for block in record.blocks]
    is_full = all(count == MAX_BLOCK_DOCUMENTS for count in counts[:-1])
    if not is_full or not all(0 < count <= MAX_BLOCK_DOCUMENTS for count in counts[-1:]):
        yield "its blocks are not full, or hold more than a block can"
    if sum(counts) != record.documents:
        yield f"its blocks have {sum(counts)} documents and it has {record.documents}"
    if not 0 <= record.deleted <= record.documents:
        yield f"{record.deleted} of {record.documents} documents are deleted"


def id_problems(segment: Segment, *, deep: bool) -> Iterator[str]:
    """Ids and their hashes: that they are as many; when `deep`, one by one."""
    count = segment.record.documents
    offsets, ids = segment.part("id-offsets"), segment.part("ids")
    hashes, documents = segment.part("id-hashes"), segment.part("id-documents")
    if not _are_offsets(offsets, count, len(ids)):
        yield "its ids and their offsets contradict each other"
        return
    if len(hashes) != count or not np.array_equal(np.sort(documents), np.arange(count)):
        yield "its ids, their hashes and its documents are not equally many"
        return
    if not deep:
        return
    if not _ascends(hashes, documents):
        yield "its hashes of ids are out of order"
    by_document = np.empty(count, np.uint64)
    by_document[documents] = hashes
    for document, (identifier, stored) in enumerate(
        zip(_pieces(ids, offsets), by_document.tolist(), strict=True)
    ):
        if hash_id(identifier) != stored:
            yield f"the id of document {document} does not have the hash that is stored"
        if not 0 < len(identifier) <= _LONGEST_ID or not _is_text(identifier):
            yield f"the id of document {document} is no id"


def document_problems(segment: Segment, *, deep: bool) -> Iterator[str]:
    """Stored documents: that they are as many; when `deep`, one by one."""
    count = segment.record.documents
    offsets, stored = segment.part("document-offsets"), segment.part("documents")
    checksums = segment.part("document-checksums")
    if not _are_offsets(offsets, count, len(stored)):
        yield "its documents and their offsets contradict each other"
        return
    if len(checksums) != count or len(segment.part("content-hashes")) != count:
        yield "its stored documents, their checksums and hashes are not equally many"
        return
    if not deep:
        return
    for document, (data, checksum) in enumerate(
        zip(_pieces(stored, offsets), checksums.tolist(), strict=True)
    ):
        if zlib.crc32(data) != checksum:
            yield f"stored document {document} does not match its checksum"
        elif not _is_document(data):
            yield f"stored document {document} is no JSON object"


def tombstone_problems(segment: Segment, deleted: int) -> Iterator[str]:
    """Bits of deleted documents: as many as the manifest says, and none behind the last."""
    count, stored = segment.record.documents, segment.part("tombstones")
    if len(stored) != -(-count // 8):
        yield "its tombstones are not one bit a document"
        return
    bits = np.unpackbits(stored, bitorder="little")
    found = int(np.count_nonzero(bits))
    if bits[count:].any() or found != deleted:
        yield f"its tombstones say that {found} documents are deleted, not {deleted}"


def tombstone_mask(segment: Segment) -> npt.NDArray[np.bool_]:
    """Which documents its tombstones mark as deleted, one flag a document."""
    bits = np.unpackbits(
        segment.part("tombstones"), count=segment.record.documents, bitorder="little"
    )
    return bits.astype(np.bool_)


def living_twice(segments: Sequence[tuple[Segment, npt.NDArray[np.bool_]]]) -> Iterator[str]:
    """Ids that are live in more than one place.

    Args:
        segments: each with its live documents, one flag a document.
    """
    hashes = [
        segment.part("id-hashes")[live[segment.part("id-documents")]] for segment, live in segments
    ]
    if not hashes:
        return
    found, counts = np.unique(np.concatenate(hashes), return_counts=True)
    for hashed in found[counts > 1]:
        # Different ids may have the same hash.
        ids = Counter(
            segment.encoded_id(document)
            for segment, live in segments
            for document in segment.part("id-documents")[segment.part("id-hashes") == hashed]
            if live[document]
        )
        for identifier, times in ids.items():
            if times > 1:
                yield f"{identifier.decode('utf-8', 'replace')!r} is live in {times} places"


def _pieces(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.uint64]) -> Iterator[bytes]:
    view = data.data
    for begin, end in itertools.pairwise(offsets.tolist()):
        yield bytes(view[begin:end])


def _are_offsets(offsets: npt.NDArray[np.uint64], count: int, end: int) -> bool:
    return (
        len(offsets) == count + 1
        and int(offsets[0]) == 0
        and int(offsets[-1]) == end
        and bool((offsets[1:] >= offsets[:-1]).all())
    )


def _ascends(hashes: npt.NDArray[np.uint64], documents: npt.NDArray[np.uint32]) -> bool:
    is_larger = hashes[1:] > hashes[:-1]
    is_equal = hashes[1:] == hashes[:-1]
    return bool((is_larger | (is_equal & (documents[1:] > documents[:-1]))).all())


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_document(data: bytes) -> bool:
    try:
        return isinstance(_json.decode(data.decode()), dict)
    except (ValueError, RecursionError):
        return False


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


# One for all documents: making it takes longer than reading one.
_json = json.JSONDecoder(parse_constant=_refuse)
