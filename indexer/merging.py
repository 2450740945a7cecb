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

from engine.storage.block import MAX_BLOCK_DOCUMENTS
from engine.storage.segment import Segment
from engine.storage.segment_content import SegmentContent
from engine.storage.stored_block import read_block
from indexer.block_rows import PlacedBlock, rows_of
from indexer.inversion import invert_impacts


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
    rows = rows_of(_blocks(pieces, vocabulary_size), count)
    has_documents = pieces[0].segment.record.has_documents
    return SegmentContent(
        [invert_impacts(*rows, vocabulary_size)],
        [piece.segment.encoded_id(at) for piece in pieces for at in piece.documents.tolist()],
        _stored(pieces) if has_documents else None,
        _content_hashes(pieces) if has_documents else None,
    )


def _blocks(pieces: Sequence[Piece], vocabulary_size: int) -> list[PlacedBlock]:
    """Verified blocks, each with the new numbers of its documents."""
    found = []
    first = 0
    for segment, documents in pieces:
        owners = documents // MAX_BLOCK_DOCUMENTS
        new_numbers = np.arange(first, first + len(documents))
        first += len(documents)
        for number in np.unique(owners).tolist():
            block = read_block(segment, number, vocabulary_size)
            block.verify()
            here = owners == number
            local = documents[here] - number * MAX_BLOCK_DOCUMENTS
            found.append(PlacedBlock.of(block, local, new_numbers[here]))
    return found


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
