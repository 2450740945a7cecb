"""The block table: what the kernels need to know of a snapshot, in a few flat arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import EngineError, IndexDamagedError
from engine.retrieval import parameters
from engine.storage.block import row_stride
from engine.storage.snapshot import Snapshot
from engine.storage.stored_block import StoredBlock, read_block

# Of `slots` and of what was verified. A table may always have 2 GB: 10 blocks of the largest
# vocabulary, 10,000 of a usual one.
_BYTES_A_SLOT = 5
_MOST_BYTES = 2 << 30
_MOST_SHARE = 4


class BlockTable:
    """Addresses and counts of all blocks of a snapshot, and where each term is in each.

    Postings are verified when a query first reads them: `verified` says which terms were, and
    `verify` checks one in all blocks. So opening costs the directories only, and yet no posting
    is ever scored unchecked. What was verified in a block that an earlier commit has too is taken
    over from its table.

    Attributes:
        blocks: (B, COLUMNS) int64, see `parameters`.
        slots: (V, B) int32, position of a term in the directory of a block, -1 for none.
        verified: (V,) uint8.
    """

    def __init__(self, snapshot: Snapshot, before: BlockTable | None = None) -> None:
        self._where = str(snapshot.path)
        self._snapshot = snapshot
        places = [
            (segment, number)
            for segment in snapshot.segments
            for number in range(len(segment.record.blocks))
        ]
        vocabulary_size = snapshot.manifest.vocabulary_size
        _refuse_excess(snapshot, len(places))
        self.blocks = np.zeros((len(places), parameters.COLUMNS), np.int64)
        self.slots = np.full((vocabulary_size, len(places)), -1, np.int32)
        self.verified = np.zeros(vocabulary_size, np.uint8)
        self._names = [(segment.record.number, number) for segment, number in places]
        # (V, B), which terms were verified in which block, here or by the table before.
        self._verified_in = np.zeros((vocabulary_size, len(places)), np.bool_)
        # The views keep what their addresses in the table point to.
        self._stored: list[StoredBlock] = []
        self._deleted: list[npt.NDArray[np.uint16]] = []
        for at, (segment, number) in enumerate(places):
            stored = read_block(segment, number, vocabulary_size)
            self._stored.append(stored)
            self._deleted.append(segment.deleted_in_block(number))
            self.slots[stored.terms, at] = np.arange(len(stored.terms), dtype=np.int32)
            self._fill(at)
        counts = self.blocks[:, parameters.DOCUMENT_COUNT]
        self.blocks[:, parameters.FIRST_DOCUMENT] = np.cumsum(counts) - counts
        if before is not None and snapshot.shares_file_with(before._snapshot):
            columns = {name: at for at, name in enumerate(before._names)}
            for at, name in enumerate(self._names):
                if name in columns:
                    self._verified_in[:, at] = before._verified_in[:, columns[name]]

    def verify(self, term: int) -> None:
        """Check a term's postings in all blocks against their checksums.

        Raises:
            IndexDamagedError: some are not what was written.
        """
        for at in np.flatnonzero((self.slots[term] >= 0) & ~self._verified_in[term]):
            if not self._stored[at].is_intact(int(self.slots[term, at])):
                raise IndexDamagedError(
                    f"{self._where} is damaged: the postings of term {term} are not what was "
                    "written; index again, or restore a backup"
                )
        self._verified_in[term] = True
        self.verified[term] = 1

    def _fill(self, at: int) -> None:
        row, stored, deleted = self.blocks[at], self._stored[at], self._deleted[at]
        arrays: tuple[tuple[int, npt.NDArray[Any]], ...] = (
            (parameters.OFFSETS, stored.offsets),
            (parameters.TERM_MAXIMA, stored.maxima),
            (parameters.ROWS, stored.rows),
            (parameters.POSTINGS, stored.postings),
            (parameters.HIGH, stored.high),
            (parameters.LOW, stored.low),
            (parameters.DELETED, deleted),
        )
        for column, array in arrays:
            row[column] = array.__array_interface__["data"][0]
        row[parameters.DELETED_COUNT] = len(deleted)
        row[parameters.DOCUMENT_COUNT] = stored.documents
        row[parameters.STRIDE] = row_stride(stored.documents)
        row[parameters.TERMS_OF_BLOCK] = len(stored.terms)
        row[parameters.POSTING_COUNT] = len(stored.postings)
        row[parameters.DENSE_BYTES] = len(stored.high)


def _refuse_excess(snapshot: Snapshot, blocks: int) -> None:
    """Keep a small file of somebody else from taking all memory.

    Raises:
        EngineError: the table would take far more memory than the index has bytes.
    """
    size = snapshot.manifest.vocabulary_size * blocks * _BYTES_A_SLOT
    if size > max(_MOST_BYTES, _MOST_SHARE * snapshot.file_bytes()):
        raise EngineError(
            f"{snapshot.path} has {blocks:,} blocks of {snapshot.manifest.vocabulary_size:,} terms,"
            f" which take {size / 1e9:,.1f} GB of memory to search; make them fewer with "
            "`engine compact`"
        )
