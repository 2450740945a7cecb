"""A block: at most 65,536 documents, inverted; the unit that the accumulator works on."""

from __future__ import annotations

import itertools
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MAX_BLOCK_DOCUMENTS = 65_536
# Dense rows are padded so that kernels work on whole chunks of documents without a tail.
ROW_ALIGNMENT = 128
BANDS = 16


def row_stride(documents: int) -> int:
    """Bytes of one dense row: the documents of a block, rounded up to whole chunks."""
    return -(-documents // ROW_ALIGNMENT) * ROW_ALIGNMENT


@dataclass(frozen=True, slots=True)
class InvertedBlock:
    """The postings of a block, as they are stored.

    A term has either a posting list or, when it occurs in many documents, a dense row with one
    impact a document, kept as two rows of bytes. A posting is `impact << 16 | local document`.
    A posting list is impact-ordered: by band from the highest to the lowest, and by document
    inside a band, where the band of a posting is `impact * 16 // (maximum of the list + 1)`.
    """

    documents: int
    terms: npt.NDArray[np.uint32]  # (T,) ascending
    offsets: npt.NDArray[np.uint32]  # (T + 1,)
    maxima: npt.NDArray[np.uint16]  # (T,)
    rows: npt.NDArray[np.int32]  # (T,) dense row or -1
    checksums: npt.NDArray[np.uint32]  # (T,) see `piece_checksums`
    postings: npt.NDArray[np.uint32]  # (P,)
    high: npt.NDArray[np.uint8]  # (D * row_stride(documents),)
    low: npt.NDArray[np.uint8]  # (D * row_stride(documents),)
    occurrences: int  # (term, document) pairs, in posting lists and dense rows together


def piece_checksums(
    offsets: npt.NDArray[np.uint32],
    rows: npt.NDArray[np.int32],
    postings: npt.NDArray[np.uint32],
    high: npt.NDArray[np.uint8],
    low: npt.NDArray[np.uint8],
    stride: int,
) -> npt.NDArray[np.uint32]:
    """`piece_checksum` of all terms of a block, (T,), many times faster than one by one."""
    # Slices of a memoryview cost a fraction of those of an array, and most lists are short.
    lists = postings.view(np.uint8).data
    bounds = (offsets.astype(np.int64) * postings.itemsize).tolist()
    checksums = [zlib.crc32(lists[begin:end]) for begin, end in itertools.pairwise(bounds)]
    for slot in np.flatnonzero(rows >= 0).tolist():
        row = slice(int(rows[slot]) * stride, (int(rows[slot]) + 1) * stride)
        checksums[slot] = zlib.crc32(low[row].data, zlib.crc32(high[row].data))
    return np.array(checksums, np.uint32)


def piece_checksum(
    posting_list: npt.NDArray[np.uint32],
    high: npt.NDArray[np.uint8],
    low: npt.NDArray[np.uint8],
    row: int,
    stride: int,
) -> int:
    """CRC-32 of what one term has in a block: its posting list, or its dense row."""
    if row < 0:
        return zlib.crc32(posting_list.data)
    crc = zlib.crc32(high[row * stride : (row + 1) * stride].data)
    return zlib.crc32(low[row * stride : (row + 1) * stride].data, crc)
