"""The oracle: exhaustive float64 scoring, and how much of its top k an engine finds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from benchmarks.collections import CsrRows, Query

_CHUNK_DOCUMENTS = 16_384


class ExhaustiveScores:
    """True scores of a few queries over a whole collection; memory is bounded by a chunk of it."""

    def __init__(
        self, rows: CsrRows, vocabulary_size: int, queries: Sequence[Query], k: int
    ) -> None:
        self._rows = rows
        self._vocabulary_size = vocabulary_size
        self._queries = queries
        weights = np.zeros((vocabulary_size, len(queries)))
        for at, query in enumerate(queries):
            weights[query[0], at] = query[1]
        # Sparse times sparse visits only the postings of the queries' terms.
        asked = csr_matrix(weights)
        best = np.zeros((0, len(queries)))
        for first in range(0, rows.documents, _CHUNK_DOCUMENTS):
            chunk = rows.rows(first, min(first + _CHUNK_DOCUMENTS, rows.documents))
            scores = (self._matrix(chunk) @ asked).toarray()
            if len(scores) > k:
                scores = -np.partition(-scores, k, axis=0)[:k]
            best = np.concatenate([best, scores])
            best = -np.sort(-best, axis=0)[:k]
        self._best = best

    def scores(self, query: int, documents: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """True scores of some documents for query number `query`."""
        terms, weights = self._queries[query]
        dense = np.zeros(self._vocabulary_size)
        dense[terms] = weights
        scores = np.empty(len(documents))
        for at, document in enumerate(documents):
            row = self._rows.rows(int(document), int(document) + 1)
            scores[at] = dense[row.indices] @ row.data.astype(np.float64)
        return scores

    def judge(
        self,
        query: int,
        documents: npt.NDArray[np.int64],
        scores: npt.NDArray[np.float64],
        score_error: float,
    ) -> tuple[float, float]:
        """Judge the hits of query number `query`.

        A hit counts when its true score reaches that of the true last hit, less what two scores
        may be wrong by: documents that tie within the engine's number format are equally right.

        Returns:
            (recall, largest difference of a score from the true one).
        """
        best = self._best[:, query]
        wanted = int(np.count_nonzero(best > 0.0))
        hits = scores > 0.0
        # A document returned twice is found once.
        documents, first = np.unique(documents[hits], return_index=True)
        true = self.scores(query, documents)
        error = float(np.abs(true - scores[hits][first]).max(initial=0.0))
        if wanted == 0:
            return float(len(documents) == 0), error
        found = np.count_nonzero((true > 0.0) & (true >= best[wanted - 1] - 2.0 * score_error))
        return min(int(found), wanted) / wanted, error

    def _matrix(self, rows: CsrRows) -> csr_matrix:
        shape = (rows.documents, self._vocabulary_size)
        return csr_matrix((rows.data.astype(np.float64), rows.indices, rows.indptr), shape=shape)
