"""The scorer: exact top-k search over a snapshot, from any number of threads."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.retrieval import accumulator
from engine.retrieval.block_table import BlockTable
from engine.retrieval.search_kernel import new_scratch, search_exact, search_exact_batch
from engine.storage.snapshot import Snapshot

Terms = npt.NDArray[np.int32]
Weights = npt.NDArray[np.float64]
MAX_QUERY_TERMS = 1 << 16


class ScoredDocuments(NamedTuple):
    """Hits of one query, best first: global document numbers and scores."""

    documents: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]


class Scorer:
    """Scores queries against one snapshot.

    A query is a pair of distinct `terms` (T,) int32 and their `weights` (T,) float64. The score
    of a document is the sum over terms of weight x quantized document weight. Documents are
    ordered by score, ties by document number; those with a score of zero or less are no hits.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._table = BlockTable(snapshot)
        self._step = snapshot.manifest.quantization.step
        self._documents = int(snapshot.first_documents[-1])
        self._local = threading.local()

    def search(self, terms: Terms, weights: Weights, k: int) -> ScoredDocuments:
        """Find the best `k` documents.

        Raises:
            IndexDamagedError: the postings of a term are not what was written.
        """
        documents, scores = self._hits(k)
        table = self._table
        while True:
            found = search_exact(
                table.blocks, table.slots, table.verified, self._step, terms, weights,
                documents, scores, self._scratch(),
            )  # fmt: skip
            if found >= 0:
                return ScoredDocuments(documents[:found], scores[:found])
            table.verify(int(terms[-1 - found]))

    def search_batch(
        self, queries: Sequence[tuple[Terms, Weights]], k: int, threads: int = 1
    ) -> list[ScoredDocuments]:
        """Find the best `k` documents of each query; the kernels run on `threads` threads."""
        if threads > 1 and len(queries) > 1:
            bounds = np.linspace(0, len(queries), min(threads, len(queries)) + 1).astype(int)
            pieces = [queries[a:b] for a, b in itertools.pairwise(bounds)]
            with ThreadPoolExecutor(len(pieces)) as pool:
                parts = pool.map(lambda piece: self.search_batch(piece, k), pieces)
                return [result for part in parts for result in part]
        if not queries:
            return []
        table = self._table
        terms = np.concatenate([query[0] for query in queries])
        weights = np.concatenate([query[1] for query in queries])
        starts = np.zeros(len(queries) + 1, np.int64)
        np.cumsum([len(query[0]) for query in queries], out=starts[1:])
        for term in np.unique(terms[table.verified[terms] == 0]):
            table.verify(int(term))
        documents, scores = self._hits(k, len(queries))
        sizes = np.empty(len(queries), np.int64)
        search_exact_batch(
            table.blocks, table.slots, table.verified, self._step, starts, terms, weights,
            documents, scores, sizes, self._scratch(),
        )  # fmt: skip
        return [
            ScoredDocuments(documents[query, :size], scores[query, :size])
            for query, size in enumerate(sizes.tolist())
        ]

    def contributions(
        self, document: int, terms: Terms, weights: Weights
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """What each term contributes to the score of a document.

        Returns:
            (document_weights, contributions), each (T,) float64; the contributions sum to the
            score that `search` gives.

        Raises:
            IndexDamagedError: the postings of a term are not what was written.
        """
        table = self._table
        for term in terms[table.verified[terms] == 0]:
            table.verify(int(term))
        first = table.blocks[:, accumulator.FIRST_DOCUMENT]
        block = int(np.searchsorted(first, document, side="right")) - 1
        impacts = np.empty(len(terms), np.int64)
        multipliers = np.empty(len(terms), np.int64)
        local = document - int(first[block])
        accumulator.impacts_of(table.blocks, block, table.slots, terms, local, impacts)
        unit = float(accumulator.query_multipliers(weights, multipliers)) * self._step
        units = (multipliers * impacts + (accumulator.UNITS - 1)) >> 16
        document_weights = impacts.astype(np.float64) * self._step
        return document_weights, units.astype(np.float64) * unit

    def distinct_terms(self) -> int:
        """Vocabulary entries that occur in any document."""
        return int((self._table.slots >= 0).any(axis=1).sum())

    def _hits(self, k: int, *queries: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        shape = (*queries, min(k, self._documents))
        return np.empty(shape, np.int64), np.empty(shape, np.float64)

    def _scratch(self) -> tuple[npt.NDArray[Any], ...]:
        """Arrays that kernels work in, reused by each thread."""
        try:
            return self._local.scratch  # type: ignore[no-any-return]
        except AttributeError:
            self._local.scratch = new_scratch(MAX_QUERY_TERMS)
            return self._local.scratch  # type: ignore[no-any-return]
