"""SciPy: a product of sparse matrices, and a partition; what people write in an afternoon."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.collections import CsrRows, Query
from benchmarks.engines.contender import Contender, Hits


class ScipyCsc(Contender):
    """The columns of the query's terms, weighted and added up."""

    name = "scipy"
    package = "scipy"
    modules = ("scipy",)

    def build(self, rows: CsrRows, vocabulary_size: int, folder: Path) -> None:
        """Convert to CSC and save."""
        from scipy.sparse import csr_matrix, save_npz

        shape = (rows.documents, vocabulary_size)
        matrix = csr_matrix((rows.data, rows.indices, rows.indptr), shape=shape).tocsc()
        save_npz(folder / "matrix.npz", matrix, compressed=False)

    def load(self, folder: Path) -> None:
        """Read the matrix."""
        from scipy.sparse import load_npz

        self._matrix = load_npz(folder / "matrix.npz")
        self._largest = float(self._matrix.data.max(initial=0.0))

    def search(self, query: Query, k: int) -> Hits:
        """Multiply and select."""
        scores = self._matrix[:, query[0]] @ query[1].astype(np.float32)
        k = min(k, len(scores))
        best = np.argpartition(scores, len(scores) - k)[len(scores) - k :]
        best = best[np.argsort(-scores[best], kind="stable")]
        return best, scores[best]

    def score_error(self, query: Query) -> float:
        """What float32 sums of this many products may lose."""
        largest = self._largest * float(np.abs(query[1]).sum())
        return largest * len(query[0]) * float(np.finfo(np.float32).eps)
