"""An index for people who bring their own vectors: no model, no text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scipy.sparse import csr_matrix

from indexer.index_writer import IndexWriter


def write_index(
    path: str | Path,
    vectors: csr_matrix,
    ids: Sequence[str],
    documents: Sequence[Any] | None = None,
    *,
    max_weight: float | None = None,
    threads: int | None = None,
) -> None:
    """Write sparse vectors to an index, to be searched with `SearchEngine.search_vector`.

    Adds to an index of the same width that is there already, replacing known ids.

    Args:
        path: directory of the index.
        vectors: (N, V) CSR matrix of finite weights, none negative.
        ids: N external ids.
        documents: N objects that come back with hits.
        max_weight: the largest weight that a new index shall hold; see `IndexWriter`.
        threads: how many threads may be at work; see `IndexWriter`.

    Raises:
        UsageError: the arguments do not fit together.
        EngineError: see `IndexWriter`.
    """
    with IndexWriter(
        path, vocabulary_size=vectors.shape[1], max_weight=max_weight, threads=threads
    ) as writer:
        writer.upsert(ids, vectors, documents)
