"""The block table: what the kernels need to know of a snapshot, in a few flat arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import IndexDamagedError
from engine.retrieval import parameters
from engine.storage.block import MAX_BLOCK_DOCUMENTS, piece_checksum, row_stride
from engine.storage.keys import BLOCK_PARTS
from engine.storage.manifest import BlockRecord
from engine.storage.segment import Segment
from engine.storage.snapshot import Snapshot


class BlockTable:
    """Addresses and counts of all blocks of a snapshot, and where each term is in each.

    Postings are verified when a query first reads them: `verified` says which terms were, and
    `verify` checks one in all blocks. So opening costs the directories only, and yet no posting
    is ever scored unchecked.

    Attributes:
        blocks: (B, COLUMNS) int64, see `parameters`.
        slots: (V, B) int32, position of a term in the directory of a block, -1 for none.
        verified: (V,) uint8.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._where = str(snapshot.path)
        records = [
            (segment, number, record)
            for segment in snapshot.segments
            for number, record in enumerate(segment.record.blocks)
        ]
        vocabulary_size = snapshot.manifest.vocabulary_size
        self.blocks = np.zeros((len(records), parameters.COLUMNS), np.int64)
        self.slots = np.full((vocabulary_size, len(records)), -1, np.int32)
        self.verified = np.zeros(vocabulary_size, np.uint8)
        self._parts: list[dict[str, npt.NDArray[Any]]] = []
        for at, (segment, number, record) in enumerate(records):
            parts = {name: segment.block_part(number, name) for name in BLOCK_PARTS}
            parts["deleted"] = segment.deleted_in_block(number)
            self._refuse_impossible(segment, number, record, parts, vocabulary_size)
            self._parts.append(parts)
            self.slots[parts["terms"], at] = np.arange(len(parts["terms"]), dtype=np.int32)
            self._fill(at, record, parts)
        counts = self.blocks[:, parameters.DOCUMENT_COUNT]
        self.blocks[:, parameters.FIRST_DOCUMENT] = np.cumsum(counts) - counts

    def verify(self, term: int) -> None:
        """Check a term's postings in all blocks against their checksums.

        Raises:
            IndexDamagedError: some are not what was written.
        """
        for at in np.flatnonzero(self.slots[term] >= 0):
            parts, slot = self._parts[at], self.slots[term, at]
            offsets = parts["offsets"]
            checksum = piece_checksum(
                parts["postings"][offsets[slot] : offsets[slot + 1]],
                parts["high"],
                parts["low"],
                int(parts["rows"][slot]),
                int(self.blocks[at, parameters.STRIDE]),
            )
            if checksum != parts["checksums"][slot]:
                raise IndexDamagedError(
                    f"{self._where} is damaged: the postings of term {term} are not what was "
                    "written; index again, or restore a backup"
                )
        self.verified[term] = 1

    def _fill(self, at: int, record: BlockRecord, parts: dict[str, npt.NDArray[Any]]) -> None:
        row = self.blocks[at]
        for column, name in (
            (parameters.OFFSETS, "offsets"),
            (parameters.TERM_MAXIMA, "maxima"),
            (parameters.ROWS, "rows"),
            (parameters.POSTINGS, "postings"),
            (parameters.HIGH, "high"),
            (parameters.LOW, "low"),
            (parameters.DELETED, "deleted"),
        ):
            row[column] = parts[name].__array_interface__["data"][0]
        row[parameters.DELETED_COUNT] = len(parts["deleted"])
        row[parameters.DOCUMENT_COUNT] = record.documents
        row[parameters.STRIDE] = row_stride(record.documents)
        row[parameters.TERMS_OF_BLOCK] = len(parts["terms"])
        row[parameters.POSTING_COUNT] = len(parts["postings"])
        row[parameters.DENSE_BYTES] = len(parts["high"])

    def _refuse_impossible(
        self,
        segment: Segment,
        number: int,
        record: BlockRecord,
        parts: dict[str, npt.NDArray[Any]],
        vocabulary_size: int,
    ) -> None:
        """Kernels read without bounds checks, so what they follow must hold, whoever wrote it."""
        terms, offsets, rows = parts["terms"], parts["offsets"], parts["rows"]
        count = len(terms)
        stride = row_stride(record.documents)
        dense = int(rows.max(initial=-1)) + 1
        postings = len(parts["postings"])
        fits = (
            0 < record.documents <= MAX_BLOCK_DOCUMENTS
            and len(offsets) == count + 1
            and len(parts["maxima"])
            == len(rows)
            == len(parts["checksums"])
            == count
            == record.terms
            and (
                count == 0
                or (
                    int(terms[-1]) < vocabulary_size
                    and bool((np.diff(terms.astype(np.int64)) > 0).all())
                )
            )
            and int(offsets[0]) == 0
            and int(offsets[-1]) == postings
            and bool((offsets[1:] >= offsets[:-1]).all())
            and len(parts["high"]) == len(parts["low"]) == dense * stride
        )
        if not fits:
            raise IndexDamagedError(
                f"{self._where} is damaged: block {number} of segment {segment.record.number} "
                "contradicts itself"
            )
