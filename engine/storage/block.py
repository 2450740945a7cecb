"""A block: at most 65,536 documents, inverted; the unit that the accumulator works on."""

from __future__ import annotations

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
    postings: npt.NDArray[np.uint32]  # (P,)
    high: npt.NDArray[np.uint8]  # (D * row_stride(documents),)
    low: npt.NDArray[np.uint8]  # (D * row_stride(documents),)
    occurrences: int  # (term, document) pairs, in posting lists and dense rows together

    def checksums(self) -> npt.NDArray[np.uint32]:
        """CRC-32 of each term's posting list, or of its dense row (high bytes, then low)."""
        stride = row_stride(self.documents)
        return np.fromiter(
            (
                piece_checksum(
                    self.postings[self.offsets[slot] : self.offsets[slot + 1]],
                    self.high,
                    self.low,
                    int(self.rows[slot]),
                    stride,
                )
                for slot in range(len(self.terms))
            ),
            dtype=np.uint32,
            count=len(self.terms),
        )


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
