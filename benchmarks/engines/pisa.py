"""PISA through pyterrier-pisa: block-compressed postings of 8 bits, BlockMax MaxScore."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.collections import CsrRows, Query
from benchmarks.engines.contender import Contender, Hits

_LARGEST_IMPACT = 255
# Query weights become whole numbers; those of static weights are at most a few.
_QUERY_SCALE = 100.0


class Pisa(Contender):
    """Its scorer for quantized impacts over `block_simdbp`, with MaxScore.

    The inverted file is written here as its own indexer of tokens with weights does, but from a
    CSC matrix at once; compression and bounds are its own.
    """

    name = "pisa"
    package = "pyterrier-pisa"
    modules = ("pyterrier_pisa", "scipy")

    def build(self, rows: CsrRows, vocabulary_size: int, folder: Path) -> None:
        """Write the inverted file, and have PISA compress it."""
        from pyterrier_pisa import _pisathon
        from scipy.sparse import csr_matrix

        shape = (rows.documents, vocabulary_size)
        matrix = csr_matrix((rows.data, rows.indices, rows.indptr), shape=shape).tocsc()
        scale = _LARGEST_IMPACT / float(matrix.data.max(initial=1e-9))
        impacts = np.maximum(np.rint(matrix.data * scale), 1).astype(np.uint32)
        documents = matrix.indices.astype(np.uint32)
        # Its look-up of terms is a binary search by bytes.
        used = sorted(np.flatnonzero(np.diff(matrix.indptr)).tolist(), key=str)
        with (
            (folder / "inv.docs").open("wb") as docs,
            (folder / "inv.freqs").open("wb") as frequencies,
        ):
            docs.write(np.array([1, rows.documents], np.uint32).tobytes())
            for term in used:
                low, high = int(matrix.indptr[term]), int(matrix.indptr[term + 1])
                for file, values in ((docs, documents), (frequencies, impacts)):
                    file.write(np.uint32(high - low).tobytes())
                    file.write(values[low:high].tobytes())
        sizes = np.zeros(rows.documents + 1, np.uint32)
        sizes[0] = rows.documents
        np.add.at(sizes[1:], documents, impacts)
        sizes.tofile(folder / "inv.sizes")
        (folder / "fwd.terms").write_text("".join(f"{term}\n" for term in used))
        # Names in the order of numbers, padded so that they are in the order of bytes, too.
        names = (f"{document:010d}\n" for document in range(rows.documents))
        (folder / "fwd.documents").write_text("".join(names))
        _pisathon.build_binlex(str(folder / "fwd.documents"), str(folder / "fwd.doclex"))
        _pisathon.build_binlex(str(folder / "fwd.terms"), str(folder / "fwd.termlex"))
        np.save(folder / "scale.npy", scale)
        self.load(folder)
        # What only the compression needed.
        for name in ("inv.docs", "inv.freqs"):
            (folder / name).unlink()

    def load(self, folder: Path) -> None:
        """Map the compressed index."""
        from pyterrier_pisa import _pisathon

        self._pisathon = _pisathon
        self._context = _pisathon.RetrievalContext()
        _pisathon.prepare_index(
            self._context, str(folder), "block_simdbp", "quantized", "", quantize=0, stop_fname=""
        )
        self._scale = float(np.load(folder / "scale.npy")) * _QUERY_SCALE

    def convert(self, query: Query) -> dict[str, float]:
        """Terms by name, weights as whole numbers."""
        weights = np.maximum(np.rint(query[1] * _QUERY_SCALE), 1.0)
        return dict(zip(query[0].astype(str).tolist(), weights.tolist(), strict=True))

    def search(self, query: dict[str, float], k: int) -> Hits:
        """Search one query on one thread."""
        return self.search_batch([query], k, 1)[0]

    def search_batch(self, queries: Sequence[dict[str, float]], k: int, threads: int) -> list[Hits]:
        """Search by its own call, which takes many."""
        room = len(queries) * k
        numbers: npt.NDArray[np.int32] = np.empty(room, np.int32)
        names: npt.NDArray[Any] = np.empty(room, object)
        ranks = np.empty(room, np.int32)
        scores: npt.NDArray[np.float32] = np.empty(room, np.float32)
        found = self._pisathon.retrieve(
            self._context,
            "maxscore",
            list(enumerate(queries)),
            k=k,
            threads=threads,
            query_weighted=1,
            pretokenised=True,
            result_qidxs=numbers,
            result_docnos=names,
            result_ranks=ranks,
            result_scores=scores,
        )
        documents = names[:found].astype(np.int64)
        values = scores[:found].astype(np.float64) / self._scale
        # Threads write their queries' hits in the order in which they finish.
        order = np.argsort(numbers[:found], kind="stable")
        bounds = np.searchsorted(numbers[:found][order], np.arange(len(queries) + 1))
        return [
            (documents[order[low:high]], values[order[low:high]]) for low, high in pairwise(bounds)
        ]

    def score_error(self, query: Query) -> float:
        """Nothing: its rounding counts against its recall, as it would for its users."""
        return 0.0
