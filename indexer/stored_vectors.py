"""Vectors back out of an index, so that what is stored needs not be encoded again.

An impact is a whole number of quantization steps, and the step is a power of two: a weight that
was read back is quantized to the very impact that it was read from, so nothing is lost on the way.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from engine.storage.block import MAX_BLOCK_DOCUMENTS, row_stride
from engine.storage.manifest import Quantization
from engine.storage.segment import Segment
from engine.storage.stored_block import StoredBlock, read_block

Place = tuple[Segment, int]
_Entries = tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32], npt.NDArray[np.uint32]]


class StoredVectors:
    """Reads vectors of documents. Postings are verified once for each block that is read."""

    def __init__(self) -> None:
        self._verified: set[tuple[int, int]] = set()

    def read(
        self, places: Sequence[Place], vocabulary_size: int, quantization: Quantization
    ) -> csr_matrix:
        """Return the vectors of documents, given as pairs of a segment and a local document.

        Returns:
            (N, V) float32, indices ascending.

        Raises:
            IndexDamagedError: postings are not what was written.
        """
        groups: dict[tuple[int, int], list[int]] = {}
        for at, (segment, document) in enumerate(places):
            key = (segment.record.number, document // MAX_BLOCK_DOCUMENTS)
            groups.setdefault(key, []).append(at)
        rows = [np.empty(0, np.int64)]
        terms = [np.empty(0, np.uint32)]
        impacts = [np.empty(0, np.uint32)]
        for (number, block), members in groups.items():
            segment = places[members[0]][0]
            local = [places[at][1] % MAX_BLOCK_DOCUMENTS for at in members]
            # A document that is asked for twice is read once.
            wanted, where = np.unique(np.array(local, np.int64), return_inverse=True)
            stored = read_block(segment, block, vocabulary_size)
            if (number, block) not in self._verified:
                stored.verify()
                self._verified.add((number, block))
            found, found_terms, found_impacts = _entries(stored, wanted)
            order = np.argsort(found, kind="stable")
            bounds = np.searchsorted(found[order], np.arange(len(wanted) + 1))
            for at, one in zip(members, where.tolist(), strict=True):
                picked = order[bounds[one] : bounds[one + 1]]
                rows.append(np.full(len(picked), at, np.int64))
                terms.append(found_terms[picked])
                impacts.append(found_impacts[picked])
        weights = np.concatenate(impacts).astype(np.float32) * np.float32(quantization.step)
        entries = (np.concatenate(rows), np.concatenate(terms).astype(np.int64))
        vectors = csr_matrix((weights, entries), shape=(len(places), vocabulary_size))
        vectors.sort_indices()
        return vectors


def _entries(block: StoredBlock, wanted: npt.NDArray[np.int64]) -> _Entries:
    """Positions in `wanted` (local documents, distinct), term ids and impacts of their postings."""
    position = np.full(MAX_BLOCK_DOCUMENTS, -1, np.int32)
    position[wanted] = np.arange(len(wanted))
    of_postings = position[block.postings & np.uint32(0xFFFF)]
    listed = np.flatnonzero(of_postings >= 0)
    slots = np.searchsorted(block.offsets, listed, side="right") - 1

    dense = np.flatnonzero(block.rows >= 0)
    stride = row_stride(block.documents)
    cells = block.rows[dense].astype(np.int64)[:, None] * stride + wanted[None, :]
    impacts = block.high[cells].astype(np.uint32) << 8 | block.low[cells]
    at, document = np.nonzero(impacts)
    return (
        np.concatenate([of_postings[listed].astype(np.int64), document.astype(np.int64)]),
        np.concatenate([block.terms[slots], block.terms[dense[at]]]),
        np.concatenate([block.postings[listed] >> np.uint32(16), impacts[at, document]]),
    )
