"""How sparse a model's vectors are, in sentence-transformers' terms, as the index holds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.storage.block import MAX_BLOCK_DOCUMENTS, row_stride
from engine.storage.segment import Segment
from engine.storage.snapshot import Snapshot
from indexer.model import SparseModel

_DOCUMENT = np.uint32(0xFFFF)


@dataclass(frozen=True, slots=True)
class Sparsity:
    """Mean active (non-zero) dimensions of queries and documents, and the cost of matching them.

    A sparsity ratio is the share of the vocabulary that is zero. `avg_flops` is the mean number of
    dimensions that a query and a document share: the multiplications for one pair.
    """

    query_active_dims: float
    query_sparsity_ratio: float
    corpus_active_dims: float
    corpus_sparsity_ratio: float
    avg_flops: float

    def to_dict(self) -> dict[str, float]:
        """Plain data, under sentence-transformers' names."""
        return {name: getattr(self, name) for name in self.__slots__}


def measure_sparsity(
    model: SparseModel, texts: Sequence[str], frequencies: npt.NDArray[np.int64], documents: int
) -> Sparsity:
    """Measure query texts under a model against (V,) document frequencies of its index."""
    queries = model.encode_query(texts)
    shares = np.bincount(queries.indices, minlength=model.vocabulary_size) / len(texts)
    query_dims = queries.nnz / len(texts)
    corpus_dims = float(frequencies.sum()) / documents
    return Sparsity(
        query_active_dims=query_dims,
        query_sparsity_ratio=1 - query_dims / model.vocabulary_size,
        corpus_active_dims=corpus_dims,
        corpus_sparsity_ratio=1 - corpus_dims / model.vocabulary_size,
        avg_flops=float(shares @ (frequencies / documents)),
    )


def document_frequencies(index: str | Path) -> npt.NDArray[np.int64]:
    """Count in how many live documents of an index each vocabulary entry occurs: (V,) int64."""
    snapshot = Snapshot(index)
    try:
        totals = np.zeros(snapshot.manifest.vocabulary_size, np.int64)
        for segment in snapshot.segments:
            for number in range(len(segment.record.blocks)):
                _count_block(segment, number, totals)
        return totals
    finally:
        snapshot.close()


def _count_block(segment: Segment, number: int, totals: npt.NDArray[np.int64]) -> None:
    documents = segment.record.blocks[number].documents
    first = number * MAX_BLOCK_DOCUMENTS
    live = ~segment.deleted_mask()[first : first + documents]
    terms = segment.block_part(number, "terms").astype(np.int64)
    offsets = segment.block_part(number, "offsets").astype(np.int64)
    alive = live[segment.block_part(number, "postings") & _DOCUMENT]
    before = np.concatenate([[0], np.cumsum(alive)])
    totals[terms] += before[offsets[1:]] - before[offsets[:-1]]
    rows = segment.block_part(number, "rows")
    high, low = segment.block_part(number, "high"), segment.block_part(number, "low")
    stride = row_stride(documents)
    for term, row in zip(terms[rows >= 0], rows[rows >= 0].tolist(), strict=True):
        begin = row * stride
        cells = high[begin : begin + documents] | low[begin : begin + documents]
        totals[term] += np.count_nonzero(cells[live])
