"""Qdrant Edge: the storage engine of Qdrant inside the process, with its sparse index."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.collections import CsrRows, Query
from benchmarks.engines.contender import Contender, Hits

_PIECE = 2_000
_VECTOR = "v"


class QdrantEdge(Contender):
    """Its sparse index of float32 weights, pinned in memory, after its own optimization."""

    name = "qdrant-edge"
    package = "qdrant-edge-py"
    modules = ("qdrant_edge",)

    def build(self, rows: CsrRows, vocabulary_size: int, folder: Path) -> None:
        """Add points a piece at a time, then optimize."""
        import qdrant_edge as qdrant

        config = qdrant.EdgeConfig(
            sparse_vectors={_VECTOR: qdrant.EdgeSparseVectorParams()},
            optimizers=qdrant.EdgeOptimizersConfig(default_segment_number=1),
        )
        shard = qdrant.EdgeShard.create(str(folder), config)
        for first in range(0, rows.documents, _PIECE):
            piece = rows.rows(first, min(first + _PIECE, rows.documents))
            bounds, terms, weights = (array.tolist() for array in piece)
            points = []
            for at in range(piece.documents):
                low, high = bounds[at], bounds[at + 1]
                if low < high:
                    vector = qdrant.SparseVector(terms[low:high], weights[low:high])
                    points.append(qdrant.Point(first + at, {_VECTOR: vector}))
            shard.update(qdrant.UpdateOperation.upsert_points(points))
        shard.optimize()
        shard.flush()
        shard.close()

    def load(self, folder: Path) -> None:
        """Open the shard."""
        import qdrant_edge as qdrant

        self._qdrant = qdrant
        self._shard = qdrant.EdgeShard.load(str(folder))

    def convert(self, query: Query) -> Any:
        """Its own object of a query."""
        vector = self._qdrant.SparseVector(query[0].tolist(), query[1].tolist())
        return self._qdrant.Query.Nearest(vector, using=_VECTOR)

    def search(self, query: Any, k: int) -> Hits:
        """Search one query."""
        found = self._shard.query(self._qdrant.QueryRequest(limit=k, query=query))
        documents = np.fromiter((hit.id for hit in found), np.int64, len(found))
        return documents, np.fromiter((hit.score for hit in found), np.float64, len(found))

    def score_error(self, query: Query) -> float:
        """What float32 sums of this many products may lose."""
        return float(np.abs(query[1]).sum()) * 4.0 * len(query[0]) * float(np.finfo(np.float32).eps)
