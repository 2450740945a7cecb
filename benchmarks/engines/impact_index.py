"""impact-index: MaxScore over block-compressed postings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.collections import CsrRows, Query
from benchmarks.engines.contender import Contender, Hits

_BITS = 16


class ImpactIndex(Contender):
    """Its compressed index of impacts of 16 bits, in memory, searched with MaxScore."""

    name = "impact-index"
    package = "impact-index"
    modules = ("impact_index",)

    def build(self, rows: CsrRows, vocabulary_size: int, folder: Path) -> None:
        """Add documents one after another, then compress."""
        import tempfile

        import impact_index

        with tempfile.TemporaryDirectory(dir=folder.parent) as raw:
            builder = impact_index.IndexBuilder(raw, dtype="float32")
            bounds = rows.indptr.tolist()
            for document in range(rows.documents):
                low, high = bounds[document], bounds[document + 1]
                if low < high:
                    terms = rows.indices[low:high].astype(np.uint64)
                    builder.add(document, terms, np.array(rows.data[low:high]))
            index = builder.build(in_memory=False)
            index.compress(str(folder), nbits=_BITS, in_memory=False)

    def load(self, folder: Path) -> None:
        """Read the index into memory."""
        import impact_index

        self._index = impact_index.Index.load(str(folder), in_memory=True)

    def convert(self, query: Query) -> dict[int, float]:
        """Terms by number."""
        return dict(zip(query[0].tolist(), query[1].tolist(), strict=True))

    def search(self, query: Any, k: int) -> Hits:
        """Search one query with MaxScore."""
        found = self._index.search_maxscore(query, top_k=k)
        documents = np.fromiter((hit.docid for hit in found), np.int64, len(found))
        return documents, np.fromiter((hit.score for hit in found), np.float64, len(found))

    def score_error(self, query: Query) -> float:
        """A step of the quantization of weights up to 4, a term."""
        return float(np.abs(query[1]).sum()) * 4.0 / (1 << _BITS)
