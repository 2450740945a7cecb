"""The engine of this project, below the text: terms in, document numbers and scores out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.collections import CsrRows, Query
from benchmarks.engines.contender import Contender, Hits


class Sabana(Contender):
    """The scorer over a snapshot of a committed index."""

    name = "sabana"

    @classmethod
    def missing(cls) -> str | None:
        """Never: it is this project."""
        return None

    def version(self) -> str:
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
        self._scorer = Scorer(snapshot)

    def search(self, query: Query, k: int) -> Hits:
        """Search exactly."""
        return self._scorer.search(query[0], query[1], k)

    def score_error(self, query: Query) -> float:
        """Half a quantization step a term, and a little for the rounding of integer scores."""
        return float(np.abs(query[1]).sum()) * self._step * 0.51
