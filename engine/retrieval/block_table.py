"""The block table: what the kernels need to know of a snapshot, in a few flat arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import EngineError, IndexDamagedError
from engine.retrieval import parameters
from engine.storage.block import BANDS, row_stride
from engine.storage.snapshot import Snapshot
from engine.storage.stored_block import StoredBlock, read_block

# Of the directory and of what was verified. A table may always have 2 GB: 5 blocks of the largest
# vocabulary, 2,000 of a usual one.
_BYTES_A_SLOT = 8 * parameters.ENTRY_COLUMNS + 1
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
        directory: (V, B, ENTRY_COLUMNS) int64, where each term is in each block, see `parameters`.
        verified: (V,) uint8.
        totals: (V,) int64, for terms whose bands were counted the address of (BANDS + 1,) int64:
            largest impact in posting lists, and postings in the 1, 2, ... highest bands; else 0.
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
        # The entries of a term lie side by side, as queries read them block after block.
        shape = (vocabulary_size, len(places), parameters.ENTRY_COLUMNS)
        self.directory = np.zeros(shape, np.int64)
        self.verified = np.zeros(vocabulary_size, np.uint8)
        self.totals = np.zeros(vocabulary_size, np.int64)
        self._names = [(segment.record.number, number) for segment, number in places]
        # (V, B), which terms were verified in which block, here or by the table before.
        self._verified_in = np.zeros((vocabulary_size, len(places)), np.bool_)
        # The views keep what their addresses in the table point to.
        self._stored: list[StoredBlock] = []
        self._deleted: list[npt.NDArray[np.uint16]] = []
        self._details: dict[tuple[int, int], npt.NDArray[Any]] = {}
        self._totals: dict[int, npt.NDArray[np.int64]] = {}
        for at, (segment, number) in enumerate(places):
            stored = read_block(segment, number, vocabulary_size)
            self._stored.append(stored)
            self._deleted.append(segment.deleted_in_block(number))
            self._fill(at)
        counts = np.array([stored.documents for stored in self._stored], np.int64)
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
        is_there = self.directory[term, :, parameters.EXTENT] != 0
        for at in np.flatnonzero(is_there & ~self._verified_in[term]):
            slot = int(np.searchsorted(self._stored[at].terms, term))
            stored = self._stored[at]
            if not (stored.is_intact(slot) and stored.is_within_bounds(slot)):
                raise IndexDamagedError(
                    f"{self._where} is damaged: the postings of term {term} are not what was "
                    "written; index again, or restore a backup"
                )
        # Bounds of rows are not stored: they are found while the rows are read anyway.
        for at in np.flatnonzero(self.directory[term, :, parameters.EXTENT] < 0):
            stored = self._stored[at]
            slot = int(np.searchsorted(stored.terms, term))
            self._set_details(term, int(at), _line_maxima(stored, int(stored.rows[slot])))
        self._verified_in[term] = True
        self.verified[term] = 1

    def count_bands(self, term: int) -> None:
        """Find out how many postings a verified term has in each band, for budgets.

        The index does not store it: it is found once a process, by reading the lists.
        """
        known = np.zeros(BANDS + 1, np.int64)
        for at in np.flatnonzero(self.directory[term, :, parameters.EXTENT] > 0):
            stored = self._stored[at]
            slot = int(np.searchsorted(stored.terms, term))
            postings = stored.postings[stored.offsets[slot] : stored.offsets[slot + 1]]
            largest = int(stored.maxima[slot])
            bands = (postings >> 16) * BANDS // (largest + 1)
            counts = np.bincount(bands.astype(np.int64), minlength=BANDS)
            ends = np.cumsum(counts[::-1])
            self._set_details(term, int(at), ends.astype(np.uint32))
            known[0] = max(known[0], largest)
            known[1:] += ends
        self.totals[term] = _address(self._totals.setdefault(int(term), known))

    def _set_details(self, term: int, at: int, details: npt.NDArray[Any]) -> None:
        # Another thread may follow the address of details that it has found before this one.
        kept = self._details.setdefault((int(term), at), details)
        self.directory[term, at, parameters.DETAILS] = _address(kept)

    def _fill(self, at: int) -> None:
        row, stored, deleted = self.blocks[at], self._stored[at], self._deleted[at]
        high, low = _address(stored.high), _address(stored.low)
        stride = row_stride(stored.documents)
        row[parameters.DELETED] = _address(deleted)
        row[parameters.DELETED_COUNT] = len(deleted)
        row[parameters.STRIDE] = stride
        row[parameters.LOW_BEHIND_HIGH] = low - high
        rows = stored.rows.astype(np.int64)
        maxima = stored.maxima.astype(np.int64)
        offsets = stored.offsets.astype(np.int64)
        is_row = rows >= 0
        lists = _address(stored.postings) + offsets[:-1] * stored.postings.itemsize
        self.directory[stored.terms, at, parameters.ADDRESS] = np.where(
            is_row, high + rows * stride, lists
        )
        self.directory[stored.terms, at, parameters.EXTENT] = np.where(
            is_row, -maxima, (np.diff(offsets) << 16) + np.where(np.diff(offsets) > 0, maxima, 0)
        )


def _line_maxima(stored: StoredBlock, row: int) -> npt.NDArray[np.uint8]:
    """Largest high byte of each line of a dense row, (stride / LINE,)."""
    stride = row_stride(stored.documents)
    high = stored.high[row * stride : (row + 1) * stride]
    maxima: npt.NDArray[np.uint8] = high.reshape(-1, parameters.LINE).max(axis=1)
    return maxima


def _address(array: npt.NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])


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
