"""Small segments and stores for the tests of storage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from engine.storage.block import InvertedBlock
from engine.storage.manifest import Quantization
from engine.storage.segment import dump_document
from engine.storage.segment_content import SegmentContent
from engine.storage.store_writer import StoreWriter
from indexer.inversion import invert

WIDTH = 12
QUANTIZATION = Quantization(4.0)


def open_store(path: Path, width: int = WIDTH) -> StoreWriter:
    return StoreWriter(
        path, vocabulary_size=width, max_weight=QUANTIZATION.max_weight, query_side=None
    )


def block_of(weights: npt.NDArray[np.float32]) -> InvertedBlock:
    rows = csr_matrix(weights)
    return invert(
        rows.indptr.astype(np.int64), rows.indices, rows.data, weights.shape[1], QUANTIZATION
    )


def segment_of(
    ids: Sequence[str], weight: float = 1.0, *, documents: Sequence[object] | None = None
) -> SegmentContent:
    """A segment in which document n has `weight` in dimension n modulo the width."""
    weights = np.zeros((len(ids), WIDTH), np.float32)
    weights[np.arange(len(ids)), np.arange(len(ids)) % WIDTH] = weight
    return SegmentContent(
        [block_of(weights)],
        [identifier.encode() for identifier in ids],
        None if documents is None else [dump_document(document) for document in documents],
        None if documents is None else [bytes([at % 256] * 16) for at in range(len(ids))],
    )


def large_segment(first: int, count: int, payload: int = 20_000) -> SegmentContent:
    """A segment whose stored documents are large, to fill maps and disks."""
    rng = np.random.default_rng(first)
    documents = [{"text": rng.bytes(payload // 2).hex()} for _ in range(count)]
    return segment_of([f"id-{at}" for at in range(first, first + count)], documents=documents)
