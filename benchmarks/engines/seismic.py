"""Seismic: inverted lists cut into clusters with summaries, and a forward index; approximate."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from benchmarks.collections import CsrRows, Query
from benchmarks.engines.contender import Contender, Hits, Setting

_INDEX = "seismic"
_SUFFIX = ".index.seismic"
_POSTINGS_A_LIST = 1_500


class Seismic(Contender):
    """Its index of float16 weights; `query_cut` and `heap_factor` are tuned to a recall.

    Lists keep fewer postings than its default of 3,500: a posting costs 13 µs to build here.
    """

    name = "seismic"
    package = "pyseismic-lsr"
    modules = ("seismic",)
    recall_targets: ClassVar[tuple[float, ...]] = (0.985, 0.999)

    def build(self, rows: CsrRows, vocabulary_size: int, folder: Path) -> None:
        """Hand the rows over a piece at a time, build, and save."""
        import seismic

        dataset = seismic.SeismicDataset()
        for first in range(0, rows.documents, 100_000):
            piece = rows.rows(first, min(first + 100_000, rows.documents))
            ids = [str(document) for document in range(first, first + piece.documents)]
            terms = piece.indices.astype(np.int64)
            dataset.add_documents_by_id(ids, terms, np.array(piece.data), piece.indptr)
        index = seismic.SeismicIndex.build_from_dataset(
            dataset, n_postings=_POSTINGS_A_LIST, num_threads=len(os.sched_getaffinity(0))
        )
        index.save(str(folder / _INDEX))

    def load(self, folder: Path) -> None:
        """Read the index into memory."""
        import seismic

        self._index = seismic.SeismicIndex.load(str(folder / (_INDEX + _SUFFIX)))
        self._string = seismic.get_seismic_string()
        self._setting: Setting = {"query_cut": 10, "heap_factor": 0.7}

    def settings(self) -> Sequence[Setting]:
        """All pairs of a few values; more terms and a smaller factor cost more and find more."""
        pairs = [
            {"query_cut": cut, "heap_factor": factor}
            for cut in (3, 4, 5, 6, 8, 10, 15, 20, 30, 60)
            for factor in (1.0, 0.9, 0.8, 0.7, 0.6, 0.4)
        ]
        return sorted(pairs, key=lambda pair: pair["query_cut"] / pair["heap_factor"])

    def use(self, setting: Setting) -> None:
        """Set `query_cut` and `heap_factor`."""
        self._setting = setting

    def convert(self, query: Query) -> Any:
        """Term numbers as the strings that its queries are made of."""
        return query[0].astype(str).astype(self._string), query[1].astype(np.float32)

    def search(self, query: Any, k: int) -> Hits:
        """Search one query on one thread."""
        return _hits(self._index.search("0", *query, k=k, sorted=True, **self._setting))

    def search_batch(self, queries: Sequence[Any], k: int, threads: int) -> list[Hits]:
        """Search by its own call for batches."""
        ids = np.arange(len(queries)).astype(str).astype(self._string)
        answers = self._index.batch_search(
            ids,
            [terms for terms, _ in queries],
            [weights for _, weights in queries],
            k=k,
            num_threads=threads,
            **self._setting,
        )
        return [_hits(answer) for answer in answers]

    def score_error(self, query: Query) -> float:
        """What float16 weights lose: half a unit in the last place of 2 to 4 each."""
        return float(np.abs(query[1]).sum()) * 2.0**-10


def _hits(answer: Sequence[tuple[str, float, str]]) -> Hits:
    documents = np.fromiter((int(hit[2]) for hit in answer), np.int64, len(answer))
    return documents, np.fromiter((hit[1] for hit in answer), np.float64, len(answer))
