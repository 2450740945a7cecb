"""Vectors back out of an index, so that what is stored needs not be encoded again.

An impact is a whole number of quantization steps, and the step is a power of two: a weight that
was read back is quantized to the very impact that it was read from, so nothing is lost on the way.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix

from engine.storage.block import MAX_BLOCK_DOCUMENTS
from engine.storage.manifest import Quantization
from engine.storage.segment import Segment
from engine.storage.stored_block import read_block

Place = tuple[Segment, int]


class StoredVectors:
    """Reads vectors of documents. Postings are verified once for each block that is read."""

    def __init__(self) -> None:
        self._verified: set[tuple[int, int]] = set()

    def read(
        self, places: Sequence[Place], vocabulary_size: int, quantization: Quantization
    ) -> csr_matrix:
        """Return the vectors of documents, given as pairs of a segment and a local document.

        All postings of each block that holds one of them are passed over once.

        Returns:
            (N, V) float32, indices ascending.

        Raises:
            IndexDamagedError: postings are not what was written.
        """
        if not places:
            return csr_matrix((0, vocabulary_size), dtype=np.float32)
        # Numba takes long to import, and many updates have nothing to read.
        from indexer.block_rows import PlacedBlock, rows_of

        groups: dict[tuple[int, int], list[int]] = {}
        for at, (segment, document) in enumerate(places):
            key = (segment.record.number, document // MAX_BLOCK_DOCUMENTS)
            groups.setdefault(key, []).append(at)
        placed = []
        row_of = np.empty(len(places), np.int64)
        count = 0
        for (number, block), members in groups.items():
            local = np.array([places[at][1] % MAX_BLOCK_DOCUMENTS for at in members], np.int64)
            # A document that is asked for twice is read once.
            distinct, which = np.unique(local, return_inverse=True)
            stored = read_block(places[members[0]][0], block, vocabulary_size)
            if (number, block) not in self._verified:
                stored.verify()
                self._verified.add((number, block))
            rows = np.arange(count, count + len(distinct))
            placed.append(PlacedBlock.of(stored, distinct, rows))
            row_of[members] = rows[which]
            count += len(distinct)
        read = rows_of(placed, count)
        weights = read.impacts.astype(np.float32) * np.float32(quantization.step)
        vectors = csr_matrix((weights, read.indices, read.indptr), shape=(count, vocabulary_size))
        return vectors[row_of]
