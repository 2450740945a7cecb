"""The engine of this project, below the text: terms in, document numbers and scores out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from benchmarks.collections import CsrRows, Query
from benchmarks.engines.contender import Contender, Hits, Setting


class Sabana(Contender):
    """The scorer over a snapshot of a committed index, exact."""

    name = "sabana"

    @classmethod
    def version(cls) -> str:
        """Version of the engine."""
        from engine.version import __version__

        return __version__

    def build(self, rows: CsrRows, vocabulary_size: int, folder: Path) -> None:
        """Write an index of vectors without a model; ids are document numbers."""
        from scipy.sparse import csr_matrix

        from indexer.vector_index import write_index

        shape = (rows.documents, vocabulary_size)
        vectors = csr_matrix((rows.data, rows.indices, rows.indptr), shape=shape, copy=False)
        write_index(folder, vectors, [str(document) for document in range(rows.documents)])

    def load(self, folder: Path) -> None:
        """Open a snapshot."""
        from engine.retrieval.scorer import Scorer
        from engine.storage.snapshot import Snapshot

        snapshot = Snapshot(folder)
        self._step = snapshot.manifest.quantization.step
        self._scorer: Any = Scorer(snapshot)

    def search(self, query: Query, k: int) -> Hits:
        """Search exactly."""
        found: Hits = self._scorer.search(query[0], query[1], k)
        return found

    def search_batch(self, queries: Sequence[Query], k: int, threads: int) -> list[Hits]:
        """Search by its own call for batches."""
        found: list[Hits] = self._scorer.search_batch(queries, k, threads)
        return found

    def score_error(self, query: Query) -> float:
        """Half a quantization step a term, and a little for the rounding of integer scores."""
        return float(np.abs(query[1]).sum()) * self._step * 0.51


class SabanaBudgeted(Sabana):
    """The same with a budget of postings, `rho`."""

    name = "sabana-rho"
    recall_targets: ClassVar[tuple[float, ...]] = (0.985,)
    _rho: float = 1.0

    def settings(self) -> Sequence[Setting]:
        """Shares of a query's postings."""
        shares = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.85, 1.0)
        return [{"rho": share} for share in shares]

    def use(self, setting: Setting) -> None:
        """Set the budget."""
        self._rho = setting["rho"]

    def search(self, query: Query, k: int) -> Hits:
        """Search within the budget."""
        found: Hits = self._scorer.search(query[0], query[1], k, rho=self._rho)
        return found

    def search_batch(self, queries: Sequence[Query], k: int, threads: int) -> list[Hits]:
        """Search a batch within the budget."""
        found: list[Hits] = self._scorer.search_batch(queries, k, threads, rho=self._rho)
        return found
