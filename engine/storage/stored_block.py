"""A block as it is stored: views of its parts, checked before anything follows them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.errors import IndexDamagedError
from engine.storage.block import MAX_BLOCK_DOCUMENTS, piece_checksum, piece_checksums, row_stride
from engine.storage.segment import Segment


@dataclass(frozen=True, slots=True)
class StoredBlock:
    """Parts of a block as views into the memory map, see `InvertedBlock`."""

    where: str
    documents: int
    terms: npt.NDArray[np.uint32]  # (T,)
    offsets: npt.NDArray[np.uint32]  # (T + 1,)
    maxima: npt.NDArray[np.uint16]  # (T,)
    rows: npt.NDArray[np.int32]  # (T,)
    checksums: npt.NDArray[np.uint32]  # (T,)
    postings: npt.NDArray[np.uint32]  # (P,)
    high: npt.NDArray[np.uint8]  # (D * row_stride(documents),)
    low: npt.NDArray[np.uint8]  # (D * row_stride(documents),)

    def is_intact(self, slot: int) -> bool:
        """Whether the posting list or dense row of term number `slot` is what was written."""
        checksum = piece_checksum(
            self.postings[self.offsets[slot] : self.offsets[slot + 1]],
            self.high,
            self.low,
            int(self.rows[slot]),
            row_stride(self.documents),
        )
        return checksum == int(self.checksums[slot])

    def is_within_bounds(self, slot: int) -> bool:
        """Whether the posting list or dense row of term number `slot` stays inside the block.

        A right checksum says nothing of it where somebody made the index so on purpose. Kernels
        look up what postings name, in rows and accumulators of this many documents, and take the
        maximum for one.
        """
        row, stride = int(self.rows[slot]), row_stride(self.documents)
        if row >= 0:
            padding = slice(row * stride + self.documents, (row + 1) * stride)
            return not (self.high[padding].any() or self.low[padding].any())
        postings = self.postings[self.offsets[slot] : self.offsets[slot + 1]]
        return bool(
            (postings.max(initial=0) >> 16) <= self.maxima[slot]
            and (
                self.documents == MAX_BLOCK_DOCUMENTS
                or (postings & 0xFFFF).max(initial=0) < self.documents
            )
        )

    def verify(self) -> None:
        """Check the postings of all terms.

        Raises:
            IndexDamagedError: some are not what was written.
        """
        damaged = self.damaged_slots()
        if len(damaged):
            raise IndexDamagedError(
                f"{self.where} is damaged: the postings of term {self.terms[damaged[0]]} are not "
                "what was written; index again, or restore a backup"
            )

    def damaged_slots(self) -> npt.NDArray[np.intp]:
        """Numbers of the terms whose posting list or dense row is not what was written."""
        checksums = piece_checksums(
            self.offsets,
            self.rows,
            self.postings,
            self.high,
            self.low,
            row_stride(self.documents),
        )
        return np.flatnonzero(checksums != self.checksums)


def read_block(segment: Segment, number: int, vocabulary_size: int) -> StoredBlock:
    """View a block of a segment; postings are not verified yet.

    Kernels read without bounds checks, so what they follow must hold, whoever wrote it.

    Raises:
        IndexDamagedError: a part is damaged, or the parts contradict each other.
    """
    record = segment.record.blocks[number]
    parts = {
        name: segment.block_part(number, name)
        for name in StoredBlock.__dataclass_fields__
        if name not in ("where", "documents")
    }
    block = StoredBlock(f"{segment.where}, block {number}", record.documents, **parts)
    count = len(block.terms)
    dense = int(block.rows.max(initial=-1)) + 1
    fits = (
        0 < record.documents <= MAX_BLOCK_DOCUMENTS
        and len(block.offsets) == count + 1
        and len(block.maxima) == len(block.rows) == len(block.checksums) == count == record.terms
        and int(block.terms[-1] if count else 0) < vocabulary_size
        and bool((block.terms[1:] > block.terms[:-1]).all())
        and int(block.offsets[0]) == 0
        and int(block.offsets[-1]) == len(block.postings)
        and bool((block.offsets[1:] >= block.offsets[:-1]).all())
        and len(block.high) == len(block.low) == dense * row_stride(record.documents)
    )
    if not fits:
        raise IndexDamagedError(f"{block.where} is damaged: its parts contradict each other")
    return block
