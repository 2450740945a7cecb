"""What a full block needs before it is committed, made ahead on another thread.

Nothing of this depends on the index, so the next block of a large matrix is prepared while the one
before it is written and synced. Compiled kernels, checksums, writes and syncs all let other threads
run. One block ahead is enough, because writing takes longer than preparing, and it bounds memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from engine.storage.block import MAX_BLOCK_DOCUMENTS, InvertedBlock
from engine.storage.manifest import Manifest
from engine.storage.segment import encode_ids


class PreparedBlock(NamedTuple):
    """An inverted block, and the parts of a segment that hold its ids (see `encode_ids`)."""

    inverted: InvertedBlock
    id_parts: dict[str, npt.NDArray[Any]]


def prepare_block(ids: Sequence[bytes], rows: csr_matrix, manifest: Manifest) -> PreparedBlock:
    """Prepare documents for a segment of one block.

    Args:
        ids: N ids, distinct, N from 1 to 65,536.
        rows: (N, V) vectors, checked before.
        manifest: of the index; its width and quantization are used.
    """
    # Numba takes longer to import than most updates take, and deletions have no use for it.
    from indexer.inversion import invert

    inverted = invert(
        rows.indptr.astype(np.int64),
        rows.indices.astype(np.int32, copy=False),
        rows.data,
        manifest.vocabulary_size,
        manifest.quantization,
    )
    return PreparedBlock(inverted, encode_ids(ids))


def rows_between(rows: csr_matrix, begin: int, end: int) -> csr_matrix:
    """Rows of a CSR matrix, without copying them as slicing would."""
    low, high = rows.indptr[begin], rows.indptr[end]
    view = csr_matrix((end - begin, rows.shape[1]), dtype=rows.dtype)
    # Given to the constructor, they would be copied.
    view.data, view.indices = rows.data[low:high], rows.indices[low:high]
    view.indptr = rows.indptr[begin : end + 1] - low
    return view


class BlocksAhead:
    """Prepares full blocks of one matrix ahead of the caller, who goes through it once.

    Args:
        ids: N ids.
        rows: (N, V) vectors, checked before.
        manifest: as `prepare_block`.
        threads: 1 prepares nothing ahead, more than 1 one block on one other thread.
    """

    def __init__(
        self, ids: Sequence[bytes], rows: csr_matrix, manifest: Manifest, threads: int
    ) -> None:
        self._ids = ids
        self._rows = rows
        self._manifest = manifest
        self._threads = threads
        self._executor: ThreadPoolExecutor | None = None
        self._started: tuple[int, Future[PreparedBlock]] | None = None

    def __enter__(self) -> BlocksAhead:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)

    def start(self, begin: int) -> None:
        """Begin to prepare the block that begins with document `begin`, if it is a full one."""
        end = begin + MAX_BLOCK_DOCUMENTS
        if self._threads == 1 or end > len(self._ids):
            return
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, "prepare-block")
        rows = rows_between(self._rows, begin, end)
        job = self._executor.submit(prepare_block, self._ids[begin:end], rows, self._manifest)
        self._started = (begin, job)

    def take(self, begin: int) -> PreparedBlock | None:
        """Hand out the block that begins with document `begin`; None if it was not started."""
        if self._started is None or self._started[0] != begin:
            return None
        _, job = self._started
        self._started = None
        return job.result()
