"""splade-index: exhaustive scoring of a float32 CSC matrix in Numba."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.collections import CsrRows, Query
from benchmarks.engines.contender import Contender, Hits

_ARRAYS = ("data", "indices", "indptr")


class SpladeIndex(Contender):
    """Its Numba retrieval function, called as its own `retrieve` does for encoded queries.

    Its index is the CSC matrix as `.npy` files, written here as its `save` does, because its own
    `index` method wants a model and torch tensors.
    """

    name = "splade-index"
    package = "splade-index"
    modules = ("splade_index", "scipy")

    def build(self, rows: CsrRows, vocabulary_size: int, folder: Path) -> None:
        """Convert to CSC and save."""
        from scipy.sparse import csr_matrix

        shape = (rows.documents, vocabulary_size)
        matrix = csr_matrix((rows.data, rows.indices, rows.indptr), shape=shape).tocsc()
        np.save(folder / "data.npy", matrix.data.astype(np.float32, copy=False))
        np.save(folder / "indices.npy", matrix.indices.astype(np.int32, copy=False))
        np.save(folder / "indptr.npy", matrix.indptr.astype(np.int32, copy=False))
        np.save(folder / "num_docs.npy", np.int64(rows.documents))

    def load(self, folder: Path) -> None:
        """Read the arrays into memory, as its `load` does by default."""
        from splade_index.numba.retrieve_utils import _retrieve_numba_functional

        self._retrieve = _retrieve_numba_functional
        self._index: dict[str, Any] = {name: np.load(folder / f"{name}.npy") for name in _ARRAYS}
        self._index["num_docs"] = int(np.load(folder / "num_docs.npy"))

    def search(self, query: Query, k: int) -> Hits:
        """Search one query on one thread."""
        return self.search_batch([query], k, 1)[0]

    def search_batch(self, queries: Sequence[Query], k: int, threads: int) -> list[Hits]:
        """Search by its own call, which takes many."""
        documents, scores = self._retrieve(
            [terms for terms, _ in queries],
            [weights for _, weights in queries],
            self._index,
            k=k,
            return_as="tuple",
            n_threads=threads,
            dtype="float32",
            int_dtype="int32",
        )
        return list(zip(documents, scores, strict=True))

    def score_error(self, query: Query) -> float:
        """What float32 sums of this many products may lose."""
        largest = float(self._index["data"].max(initial=0.0)) * float(np.abs(query[1]).sum())
        return largest * len(query[0]) * float(np.finfo(np.float32).eps)
