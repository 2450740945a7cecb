"""bm25s with static weights baked into its matrix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.collections import CsrRows, Query
from benchmarks.engines.contender import Contender, Hits

_ARRAYS = ("data", "indices", "indptr")


class Bm25sBaked(Contender):
    """Its Numba retrieval function over a matrix that holds weight x static weight.

    It adds up what the matrix holds and multiplies with nothing, so the weights of a query must be
    those that were known when the index was built.
    """

    name = "bm25s"
    package = "bm25s"
    modules = ("bm25s", "scipy")
    needs_static_weights = True

    def build(self, rows: CsrRows, vocabulary_size: int, folder: Path) -> None:
        """Multiply by static weights, convert to CSC and save as its `save` does."""
        from scipy.sparse import csr_matrix

        shape = (rows.documents, vocabulary_size)
        matrix = csr_matrix((rows.data, rows.indices, rows.indptr), shape=shape).tocsc()
        static = self.static_weights.astype(np.float32)
        matrix.data *= np.repeat(static, np.diff(matrix.indptr))
        np.save(folder / "data.npy", matrix.data)
        np.save(folder / "indices.npy", matrix.indices.astype(np.int32, copy=False))
        np.save(folder / "indptr.npy", matrix.indptr.astype(np.int32, copy=False))
        np.save(folder / "num_docs.npy", np.int64(rows.documents))

    def load(self, folder: Path) -> None:
        """Read the arrays into memory, as its `load` does by default."""
        from bm25s.numba.retrieve_utils import _retrieve_numba_functional

        self._retrieve = _retrieve_numba_functional
        self._index: dict[str, Any] = {name: np.load(folder / f"{name}.npy") for name in _ARRAYS}
        self._index["num_docs"] = int(np.load(folder / "num_docs.npy"))
        self._largest = float(self._index["data"].max(initial=0.0))

    def convert(self, query: Query) -> npt.NDArray[np.int32]:
        """Leave the weights away: the matrix holds them."""
        return query[0]

    def search(self, query: npt.NDArray[np.int32], k: int) -> Hits:
        """Search one query on one thread."""
        return self.search_batch([query], k, 1)[0]

    def search_batch(
        self, queries: Sequence[npt.NDArray[np.int32]], k: int, threads: int
    ) -> list[Hits]:
        """Search by its own call, which takes many."""
        documents, scores = self._retrieve(
            queries, self._index, k=k, return_as="tuple", n_threads=threads
        )
        return list(zip(documents, scores, strict=True))

    def score_error(self, query: Query) -> float:
        """What float32 sums of this many products may lose."""
        return self._largest * len(query[0]) ** 2 * float(np.finfo(np.float32).eps)
