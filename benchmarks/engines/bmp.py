"""BMP: block-max pruning over impacts of 8 bits."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from benchmarks.collections import CsrRows, Query
from benchmarks.engines.contender import Contender, Hits

_LARGEST_IMPACT = 255
_PIECE = 10_000


class Bmp(Contender):
    """Its searcher without approximation of its own (alpha and beta 1); impacts are rounded."""

    name = "bmp"
    package = "bmp"
    modules = ("bmp", "scipy")
    _FILE: ClassVar[str] = "index.bmp"

    def build(self, rows: CsrRows, vocabulary_size: int, folder: Path) -> None:
        """Hand documents over one after another, with impacts of 1 to 255."""
        from bmp import Indexer

        scale = _LARGEST_IMPACT / float(rows.data.max(initial=1e-9))
        names = [str(term) for term in range(vocabulary_size)]
        indexer = Indexer(str(folder / self._FILE), bsize=32, compress_range=False)
        for first in range(0, rows.documents, _PIECE):
            piece = rows.rows(first, min(first + _PIECE, rows.documents))
            impacts = np.maximum(np.rint(piece.data * scale), 1.0).astype(np.int64).tolist()
            terms = [names[term] for term in piece.indices.tolist()]
            for at, (low, high) in enumerate(pairwise(piece.indptr.tolist())):
                vector = dict(zip(terms[low:high], impacts[low:high], strict=True))
                indexer.add_document(str(first + at), vector)
        indexer.finish()

    def load(self, folder: Path) -> None:
        """Read the index into memory."""
        from bmp import Searcher

        self._searcher = Searcher(str(folder / self._FILE))

    def convert(self, query: Query) -> dict[str, float]:
        """Terms by name."""
        return dict(zip(query[0].astype(str).tolist(), query[1].tolist(), strict=True))

    def search(self, query: Any, k: int) -> Hits:
        """Search one query; its scores have a scale of their own."""
        documents, scores = self._searcher.search(query, k=k, alpha=1.0, beta=1.0)
        return np.array(documents, np.int64), np.array(scores, np.float64)

    def score_error(self, query: Query) -> float:
        """Nothing: its rounding counts against its recall, as it would for its users."""
        return 0.0
