"""Merging: documents of several segments become one block, as if they had been added together.

Impacts are carried over as they are, and a block depends on nothing but the impacts of its
documents in their order. So a merged block is, byte for byte, the block that one writer would have
made of the same documents at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.storage.block import MAX_BLOCK_DOCUMENTS, row_stride
from engine.storage.segment import Segment
from engine.storage.store_writer import SegmentContent
from engine.storage.stored_block import StoredBlock, read_block
from indexer.inversion import invert_impacts, kernel


class Piece(NamedTuple):
    """Some documents of a segment: `documents`, (N,) int64, local numbers, ascending."""

    segment: Segment
    documents: npt.NDArray[np.int64]


def merged(pieces: Sequence[Piece], vocabulary_size: int) -> SegmentContent:
    """Merge documents into a segment of one block, in order.

    Args:
        pieces: at most 65,536 documents together, at least one; all of segments with stored
            documents, or all of segments without.
        vocabulary_size: V.

    Raises:
        IndexDamagedError: something of these documents is not what was written.
    """
    count = sum(len(piece.documents) for piece in pieces)
    # Two passes over the postings, so that the rows are written where they belong at once.
    lengths = np.zeros(count, np.int64)
    blocks = list(_blocks(pieces, vocabulary_size))
    for block, places in blocks:
        _count_rows(*_arrays(block), places, lengths)
    indptr = np.zeros(count + 1, np.int64)
    np.cumsum(lengths, out=indptr[1:])
    indices = np.empty(int(indptr[-1]), np.int32)
    impacts = np.empty(int(indptr[-1]), np.uint16)
    ends = indptr[:-1].copy()
    for block, places in blocks:
        _fill_rows(block.terms, *_arrays(block), places, ends, indices, impacts)
    has_documents = pieces[0].segment.record.has_documents
    return SegmentContent(
        [invert_impacts(indptr, indices, impacts, vocabulary_size)],
        [piece.segment.encoded_id(at) for piece in pieces for at in piece.documents.tolist()],
        _stored(pieces) if has_documents else None,
        _content_hashes(pieces) if has_documents else None,
    )


def _blocks(
    pieces: Sequence[Piece], vocabulary_size: int
) -> list[tuple[StoredBlock, npt.NDArray[np.int32]]]:
    """Verified blocks, each with the new number of its documents, -1 for those left out."""
    found = []
    first = 0
    for segment, documents in pieces:
        owners = documents // MAX_BLOCK_DOCUMENTS
        new_numbers = np.arange(first, first + len(documents), dtype=np.int32)
        first += len(documents)
        for number in np.unique(owners).tolist():
            block = read_block(segment, number, vocabulary_size)
            block.verify()
            places = np.full(MAX_BLOCK_DOCUMENTS, -1, np.int32)
            here = owners == number
            places[documents[here] - number * MAX_BLOCK_DOCUMENTS] = new_numbers[here]
            found.append((block, places))
    return found


def _arrays(block: StoredBlock) -> tuple[npt.NDArray[np.generic] | int, ...]:
    stride = row_stride(block.documents)
    return block.offsets, block.rows, block.postings, block.high, block.low, stride


def _stored(pieces: Sequence[Piece]) -> list[bytes]:
    return [
        piece.segment.stored_document(at) or b""
        for piece in pieces
        for at in piece.documents.tolist()
    ]


def _content_hashes(pieces: Sequence[Piece]) -> list[bytes]:
    return [
        bytes(hashed)
        for piece in pieces
        for hashed in piece.segment.part("content-hashes")[piece.documents]
    ]


@kernel
def _count_rows(offsets, rows, postings, high, low, stride, places, lengths):  # type: ignore[no-untyped-def]
    """Add to `lengths` how many terms each document has in a block."""
    for slot in range(len(rows)):
        if rows[slot] < 0:
            for at in range(offsets[slot], offsets[slot + 1]):
                place = places[postings[at] & np.uint32(0xFFFF)]
                if place >= 0:
                    lengths[place] += 1
            continue
        begin = np.int64(rows[slot]) * stride
        for document in range(stride):
            if places[document] >= 0 and (high[begin + document] or low[begin + document]):
                lengths[places[document]] += 1


@kernel
def _fill_rows(  # type: ignore[no-untyped-def]
    terms, offsets, rows, postings, high, low, stride, places, ends, indices, impacts
):
    """Write the terms and impacts of each document where its row ends so far."""
    for slot in range(len(rows)):
        if rows[slot] < 0:
            for at in range(offsets[slot], offsets[slot + 1]):
                place = places[postings[at] & np.uint32(0xFFFF)]
                if place >= 0:
                    end = ends[place]
                    indices[end] = terms[slot]
                    impacts[end] = postings[at] >> np.uint32(16)
                    ends[place] = end + 1
            continue
        begin = np.int64(rows[slot]) * stride
        for document in range(stride):
            place = places[document]
            impact = (np.uint16(high[begin + document]) << 8) | np.uint16(low[begin + document])
            if place >= 0 and impact:
                end = ends[place]
                indices[end] = terms[slot]
                impacts[end] = impact
                ends[place] = end + 1
