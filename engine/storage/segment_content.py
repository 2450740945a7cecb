"""A segment to be written, and the stored values that it becomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.storage import keys
from engine.storage.block import InvertedBlock
from engine.storage.manifest import BlockRecord, SegmentRecord
from engine.storage.segment import encode_documents, encode_ids


@dataclass(frozen=True, slots=True)
class SegmentContent:
    """A segment to be written: blocks, and its documents in order.

    `blocks` are full (65,536 documents) but for the last. `documents` and `content_hashes` (16
    bytes each) are given together, or neither. `id_parts` is what `encode_ids` makes of the ids,
    where it is known already.
    """

    blocks: Sequence[InvertedBlock]
    ids: Sequence[bytes]
    documents: Sequence[bytes] | None = None
    content_hashes: Sequence[bytes] | None = None
    id_parts: Mapping[str, npt.NDArray[Any]] | None = None


class MergedSegments(NamedTuple):
    """Neighbouring segments, by their numbers, and the one that takes their place."""

    numbers: Sequence[int]
    content: SegmentContent


def segment_record(number: int, content: SegmentContent) -> SegmentRecord:
    """What the manifest says of a new segment."""
    return SegmentRecord(
        number=number,
        documents=len(content.ids),
        has_documents=content.documents is not None,
        blocks=tuple(
            BlockRecord(
                documents=block.documents,
                terms=len(block.terms),
                postings=block.occurrences,
                dense_rows=int(np.count_nonzero(block.rows >= 0)),
            )
            for block in content.blocks
        ),
    )


def segment_keys(record: SegmentRecord) -> Iterator[bytes]:
    """Every key that a segment may have stored values under."""
    for name in keys.SEGMENT_PARTS:
        yield keys.segment_part(record.number, name)
    for block in range(len(record.blocks)):
        for name in keys.BLOCK_PARTS:
            yield keys.block_part(record.number, block, name)


def segment_values(number: int, content: SegmentContent) -> Iterator[tuple[bytes, Any]]:
    """Key and payload of each part of a new segment."""
    parts: dict[str, Any] = dict(content.id_parts or encode_ids(content.ids))
    if content.documents is not None and content.content_hashes is not None:
        parts.update(encode_documents(content.documents))
        parts["content-hashes"] = b"".join(content.content_hashes)
    for name, array in parts.items():
        yield keys.segment_part(number, name), array
    for at, block in enumerate(content.blocks):
        for name in keys.BLOCK_PARTS:
            yield keys.block_part(number, at, name), getattr(block, name)
