"""The scorer: exact top-k search over a snapshot, from any number of threads."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.retrieval import parameters as at
from engine.retrieval.block_table import BlockTable
from engine.retrieval.native_code import entry_point
from engine.storage.block import MAX_BLOCK_DOCUMENTS
from engine.storage.snapshot import Snapshot

Terms = npt.NDArray[np.int32]
Weights = npt.NDArray[np.float64]
Rho = int | float

# Under a budget so many candidates a hit are scored in full, and at least so many.
_CANDIDATES = 2
_LEAST_CANDIDATES = 20
_MOST_POSTINGS = 1 << 62


class ScoredDocuments(NamedTuple):
    """Hits of one query, best first: global document numbers and scores."""

    documents: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]


class Scorer:
    """Scores queries against one snapshot.

    A query is a pair of distinct `terms` (T,) int32, at most `MAX_QUERY_TERMS`, inside the
    vocabulary, and their `weights` (T,) float64. The score of a document is the sum over terms of
    weight x quantized document weight. Documents are ordered by score, ties by document number;
    those with a score of zero or less are no hits.

    Args:
        snapshot: what to search; it must outlive the scorer.
        before: the scorer of an earlier commit; what it verified is not verified again.
    """

    # How candidates are taken out of a block, see `parameters`; tests ask for each way.
    _policy = at.BY_COST

    def __init__(self, snapshot: Snapshot, before: Scorer | None = None) -> None:
        self._table: BlockTable = BlockTable(snapshot, before._table if before else None)
        self._step = snapshot.manifest.quantization.step
        self._documents = int(snapshot.first_documents[-1])
        self._local = threading.local()
        self._search = entry_point("search")
        self._search_batch = entry_point("search_batch")
        self._explain = entry_point("explain")

    def search(
        self, terms: Terms, weights: Weights, k: int, rho: Rho | None = None
    ) -> ScoredDocuments:
        """Find the best `k` documents.

        Args:
            rho: most postings to read, from the highest contributions down; a float from above 0
                to 1 is the part of the query's postings. Dense rows are not counted. The scores of
                hits are exact then too, but some of the best documents may be missed.

        Raises:
            IndexDamagedError: the postings of a term are not what was written.
        """
        workspace = self._workspace()
        workspace.hold(terms, weights, min(self._candidates(k, rho), self._documents))
        if rho is not None:
            self._count_bands(terms)
        _set_budget(workspace.parameters, rho)
        while True:
            found = int(self._search(workspace.address, self._step))
            if found >= 0:
                found = min(found, k)
                return ScoredDocuments(
                    workspace.documents[:found].copy(), workspace.scores[:found].copy()
                )
            self._table.verify(int(terms[-1 - found]))

    def search_batch(
        self,
        queries: Sequence[tuple[Terms, Weights]],
        k: int,
        threads: int = 1,
        rho: Rho | None = None,
    ) -> list[ScoredDocuments]:
        """Find the best `k` documents of each query; the kernels run on `threads` threads.

        `rho` is that of `search`, for each query.

        Raises:
            IndexDamagedError: the postings of a term are not what was written.
        """
        if threads > 1 and len(queries) > 1:
            bounds = np.linspace(0, len(queries), min(threads, len(queries)) + 1).astype(int)
            pieces = [queries[begin:end] for begin, end in pairwise(bounds.tolist())]
            with ThreadPoolExecutor(len(pieces)) as pool:
                parts = pool.map(lambda piece: self.search_batch(piece, k, rho=rho), pieces)
                return [result for part in parts for result in part]
        if not queries:
            return []
        k = min(k, self._documents)  # NumPy has no room for larger numbers than 64 bits
        candidates = min(self._candidates(k, rho), self._documents)
        terms = np.concatenate([query[0] for query in queries]).astype(np.int32, copy=False)
        weights = np.concatenate([query[1] for query in queries]).astype(np.float64, copy=False)
        distinct = np.unique(terms)
        self._verify(distinct)
        if rho is not None:
            self._count_bands(distinct)
        starts = np.zeros(len(queries) + 1, np.int64)
        np.cumsum([len(query[0]) for query in queries], out=starts[1:])
        documents = np.empty((len(queries), candidates), np.int64)
        scores = np.empty((len(queries), candidates), np.float64)
        sizes = np.empty(len(queries), np.int64)
        units = np.empty(len(queries), np.float64)
        multipliers = np.empty(len(terms), np.int64)
        cuts = np.empty(len(terms), np.int64)
        workspace = self._workspace()
        batch = workspace.parameters.copy()
        batch[[at.TERMS, at.WEIGHTS, at.TERM_COUNT]] = (
            _address(terms),
            _address(weights),
            len(terms),
        )
        batch[[at.DOCUMENTS, at.SCORES, at.K]] = (
            _address(documents), _address(scores), candidates,
        )  # fmt: skip
        batch[[at.STARTS, at.SIZES, at.UNIT_WEIGHTS, at.QUERY_COUNT]] = (
            _address(starts), _address(sizes), _address(units), len(queries),
        )  # fmt: skip
        batch[[at.MULTIPLIERS, at.CUTS]] = _address(multipliers), _address(cuts)
        _set_budget(batch, rho)
        self._search_batch(_address(batch), self._step)
        return [
            ScoredDocuments(documents[query, :size], scores[query, :size])
            for query, size in enumerate(np.minimum(sizes, k).tolist())
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
        self._verify(terms)
        workspace = self._workspace()
        workspace.hold(terms, weights, 0)
        first = self._table.blocks[:, at.FIRST_DOCUMENT]
        block = int(np.searchsorted(first, document, side="right")) - 1
        impacts = np.empty(len(terms), np.int64)
        units = np.empty(len(terms), np.int64)
        workspace.parameters[[at.BLOCK, at.LOCAL_DOCUMENT, at.IMPACTS, at.CONTRIBUTED]] = (
            block, document - int(first[block]), _address(impacts), _address(units),
        )  # fmt: skip
        unit = self._explain(workspace.address, self._step)
        return impacts.astype(np.float64) * self._step, units.astype(np.float64) * unit

    def distinct_terms(self) -> int:
        """Vocabulary entries that occur in any document."""
        return int((self._table.directory[:, :, at.EXTENT] != 0).any(axis=1).sum())

    def _verify(self, terms: Terms) -> None:
        for term in terms[self._table.verified[terms] == 0].tolist():
            self._table.verify(term)

    def _count_bands(self, terms: Terms) -> None:
        for term in terms[self._table.totals[terms] == 0].tolist():
            if not self._table.verified[term]:
                self._table.verify(term)
            self._table.count_bands(term)

    @staticmethod
    def _candidates(k: int, rho: Rho | None) -> int:
        return k if rho is None else max(_LEAST_CANDIDATES, _CANDIDATES * k)

    def _workspace(self) -> _Workspace:
        """What this thread searches in."""
        try:
            return self._local.workspace  # type: ignore[no-any-return]
        except AttributeError:
            self._local.workspace = _Workspace(self._table, self._policy)
            return self._local.workspace  # type: ignore[no-any-return]


class _Workspace:
    """Scratch, query and answer arrays of one thread, at addresses that stay the same.

    Attributes:
        parameters: the parameter block; address: where it lies.
        documents, scores: the answer, at least k long.
    """

    def __init__(self, table: BlockTable, policy: int) -> None:
        self._room_for_terms = self._room_for_hits = 0
        self._terms = np.empty(0, np.int32)
        self._weights = np.empty(0, np.float64)
        self.documents = np.empty(0, np.int64)
        self.scores = np.empty(0, np.float64)
        self._scratch: tuple[npt.NDArray[Any], ...] = (
            np.empty(at.MAX_QUERY_TERMS, np.int64),
            np.empty(at.MAX_QUERY_TERMS, np.int64),
            np.zeros(MAX_BLOCK_DOCUMENTS, np.int32),
            np.empty(at.STAGED_POSTINGS, np.int32),
            np.empty((2, at.PLAN_FIELDS), np.int64),
            np.empty((2, at.MAX_QUERY_TERMS, at.LIST_COLUMNS), np.int64),
            np.empty((2, at.MAX_QUERY_TERMS, at.ROW_COLUMNS), np.int64),
        )
        self.parameters = np.zeros(at.LENGTH, np.int64)
        self.address = _address(self.parameters)
        self.parameters[at.BLOCKS] = _address(table.blocks)
        self.parameters[at.BLOCK_COUNT] = len(table.blocks)
        self.parameters[at.DIRECTORY] = _address(table.directory)
        self.parameters[at.VOCABULARY] = len(table.directory)
        self.parameters[at.TOTALS] = _address(table.totals)
        self.parameters[at.POLICY] = policy
        self.parameters[at.VERIFIED] = _address(table.verified)
        names = (
            at.MULTIPLIERS, at.CUTS, at.ACCUMULATOR, at.STAGE, at.PLANS, at.LISTS, at.DENSE_ROWS,
        )  # fmt: skip
        for name, array in zip(names, self._scratch, strict=True):
            self.parameters[name] = _address(array)

    def hold(self, terms: Terms, weights: Weights, k: int) -> None:
        """Copy a query in, and make room for its answer."""
        count = len(terms)
        # Room counts once its address is known, so that an interrupt or a lack of memory in
        # between leaves no address of arrays that are gone.
        if count > self._room_for_terms:
            self._room_for_terms = 0
            self._terms = np.empty(count + 64, np.int32)
            self._weights = np.empty(count + 64, np.float64)
            self.parameters[at.TERMS] = _address(self._terms)
            self.parameters[at.WEIGHTS] = _address(self._weights)
            self._room_for_terms = count + 64
        if k > self._room_for_hits:
            self._room_for_hits = 0
            self.documents = np.empty(k, np.int64)
            self.scores = np.empty(k, np.float64)
            self.parameters[at.DOCUMENTS] = _address(self.documents)
            self.parameters[at.SCORES] = _address(self.scores)
            self._room_for_hits = k
        self._terms[:count] = terms
        self._weights[:count] = weights
        self.parameters[at.TERM_COUNT] = count
        self.parameters[at.K] = k


def _address(array: npt.NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])


def _set_budget(parameters: npt.NDArray[np.int64], rho: Rho | None) -> None:
    parameters[at.HAS_BUDGET] = rho is not None
    if isinstance(rho, float):
        parameters[at.BUDGET], parameters[at.SHARE] = -1, math.ceil(rho * at.SHARE_ONE)
    elif rho is not None:
        parameters[at.BUDGET] = min(rho, _MOST_POSTINGS)
