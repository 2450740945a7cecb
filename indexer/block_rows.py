"""Rows of documents out of the postings of blocks, as they were before they were inverted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.storage.block import MAX_BLOCK_DOCUMENTS, row_stride
from engine.storage.stored_block import StoredBlock
from indexer.inversion import kernel


class PlacedBlock(NamedTuple):
    """A block, and which row each of its documents becomes.

    `places` is (65,536,) int32, -1 for documents that are left out.
    """

    block: StoredBlock
    places: npt.NDArray[np.int32]

    @classmethod
    def of(
        cls, block: StoredBlock, documents: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]
    ) -> PlacedBlock:
        """Place distinct documents, given by their numbers in the block, in `rows`."""
        places = np.full(MAX_BLOCK_DOCUMENTS, -1, np.int32)
        places[documents] = rows
        return cls(block, places)


class ImpactRows(NamedTuple):
    """CSR rows: `indptr` (N + 1,) int64, `indices` int32, ascending in a row, `impacts` uint16."""

    indptr: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int32]
    impacts: npt.NDArray[np.uint16]


def rows_of(blocks: Sequence[PlacedBlock], count: int) -> ImpactRows:
    """Read the rows of documents; each of `count` rows is at most one document's."""
    # Two passes over the postings, so that the rows are written where they belong at once.
    lengths = np.zeros(count, np.int64)
    for block, places in blocks:
        _count_terms(*_arrays(block), places, lengths)
    indptr = np.zeros(count + 1, np.int64)
    np.cumsum(lengths, out=indptr[1:])
    indices = np.empty(int(indptr[-1]), np.int32)
    impacts = np.empty(int(indptr[-1]), np.uint16)
    ends = indptr[:-1].copy()
    for block, places in blocks:
        _fill_rows(block.terms, *_arrays(block), places, ends, indices, impacts)
    return ImpactRows(indptr, indices, impacts)


def _arrays(block: StoredBlock) -> tuple[npt.NDArray[np.generic] | int, ...]:
    stride = row_stride(block.documents)
    return block.offsets, block.rows, block.postings, block.high, block.low, stride


@kernel
def _count_terms(offsets, rows, postings, high, low, stride, places, lengths):  # type: ignore[no-untyped-def]
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
