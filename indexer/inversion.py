"""Inversion: rows of a document-term matrix become the impact-ordered posting lists of a block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from numba import njit

from engine.errors import UsageError
from engine.storage.block import BANDS, MAX_BLOCK_DOCUMENTS, InvertedBlock, row_stride
from engine.storage.manifest import Quantization

# A dense row costs 2 bytes a document of the block, a posting list 4 bytes a posting, so up to half
# of the documents a list is smaller. A row is faster, as it is read with SIMD, or only where a
# candidate needs it, while each posting is a scattered addition. This share trades the two.
DENSE_SHARE = 0.15
MIN_DENSE_DOCUMENTS = 1024


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile with Numba, and keep the code for the next process where there is a place for it."""
    try:
        return cast("Callable[..., Any]", njit(cache=True, nogil=True)(function))
    except RuntimeError:  # neither the package nor a home directory can be written to
        return cast("Callable[..., Any]", njit(nogil=True)(function))


def invert(
    indptr: npt.NDArray[np.int64],
    indices: npt.NDArray[np.int32],
    data: npt.NDArray[np.float32],
    vocabulary_size: int,
    quantization: Quantization,
) -> InvertedBlock:
    """Invert the rows of a CSR matrix into one block.

    Args:
        indptr: (N + 1,) int64, N at most 65,536 documents.
        indices: (nnz,) int32, distinct within a row, below `vocabulary_size`.
        data: (nnz,) float32, finite and not negative; zeros are left out.
        vocabulary_size: V.
        quantization: how weights become impacts.

    Raises:
        UsageError: the matrix has weights that cannot be stored.
    """
    documents = len(indptr) - 1
    if not 0 < documents <= MAX_BLOCK_DOCUMENTS:
        raise UsageError(f"a block holds 1 to {MAX_BLOCK_DOCUMENTS} documents, not {documents}")
    impacts = np.empty(len(data), np.uint16)
    # Documents without any weight may come before anyone has said how large weights can be.
    scale = 1.0 / quantization.step if quantization.step else 0.0
    bad = _quantize(data, scale, quantization.max_weight, impacts)
    if bad >= 0:
        document = int(np.searchsorted(indptr, bad, side="right")) - 1
        raise UsageError(
            f"document {document} has weight {data[bad]} in dimension {indices[bad]}; this index "
            f"holds finite weights from 0 to {quantization.max_weight:g}"
        )
    return invert_impacts(indptr, indices, impacts, vocabulary_size)


def invert_impacts(
    indptr: npt.NDArray[np.int64],
    indices: npt.NDArray[np.int32],
    impacts: npt.NDArray[np.uint16],
    vocabulary_size: int,
) -> InvertedBlock:
    """Invert rows of impacts into one block.

    Args:
        indptr: (N + 1,) int64, N from 1 to 65,536 documents.
        indices: (nnz,) int32, distinct within a row, below `vocabulary_size`.
        impacts: (nnz,) uint16; zeros are left out.
        vocabulary_size: V.
    """
    documents = len(indptr) - 1
    frequencies = np.zeros(vocabulary_size, np.int64)
    maxima = np.zeros(vocabulary_size, np.uint16)
    _count(indices, impacts, frequencies, maxima)
    terms = np.flatnonzero(frequencies).astype(np.uint32)
    dense = frequencies[terms] > DENSE_SHARE * documents
    if documents < MIN_DENSE_DOCUMENTS:
        dense[:] = False
    rows = np.where(dense, np.cumsum(dense) - 1, -1).astype(np.int32)
    lengths = np.where(dense, 0, frequencies[terms])
    offsets = np.zeros(len(terms) + 1, np.uint32)
    np.cumsum(lengths, out=offsets[1:])
    stride = row_stride(documents)
    high = np.zeros(int(dense.sum()) * stride, np.uint8)
    low = np.zeros_like(high)
    slots = np.full(vocabulary_size, -1, np.int32)
    slots[terms] = np.arange(len(terms), dtype=np.int32)
    postings = np.empty(int(offsets[-1]), np.uint32)
    starts = np.zeros((len(terms), BANDS), np.int32)
    _place(
        indptr, indices, impacts, slots, rows, maxima[terms], offsets, stride,
        starts, postings, high, low,
    )  # fmt: skip
    return InvertedBlock(
        documents=documents,
        terms=terms,
        offsets=offsets,
        maxima=maxima[terms],
        rows=rows,
        postings=postings,
        high=high,
        low=low,
        occurrences=int(frequencies.sum()),
    )


@kernel
def _quantize(data, scale, max_weight, impacts):  # type: ignore[no-untyped-def]
    """Round weights to impacts; returns the position of one that cannot be stored, or -1.

    A positive weight keeps an impact of at least 1, so that no match is lost.
    """
    for at in range(len(data)):
        weight = data[at]
        if not (weight >= 0.0 and weight <= max_weight):
            return at
        if weight == 0.0:
            impacts[at] = 0
        else:
            impact = np.rint(np.float64(weight) * scale)
            impacts[at] = np.uint16(min(max(impact, 1.0), 65535.0))
    return -1


@kernel
def _count(indices, impacts, frequencies, maxima):  # type: ignore[no-untyped-def]
    """Document frequency and largest impact of each term."""
    for at in range(len(indices)):
        if impacts[at]:
            term = indices[at]
            frequencies[term] += 1
            maxima[term] = max(maxima[term], impacts[at])


@kernel
def _place(  # type: ignore[no-untyped-def]
    indptr, indices, impacts, slots, rows, maxima, offsets, stride, starts, postings, high, low
):
    """Counting sort of all postings by term and band; documents stay in order inside a band."""
    for at in range(len(indices)):
        if impacts[at]:
            slot = slots[indices[at]]
            if rows[slot] < 0:
                band = np.int64(impacts[at]) * BANDS // (np.int64(maxima[slot]) + 1)
                starts[slot, band] += 1
    for slot in range(len(starts)):
        begin = np.int64(offsets[slot])
        for level in range(BANDS - 1, -1, -1):
            size = np.int64(starts[slot, level])
            starts[slot, level] = begin
            begin += size
    for document in range(len(indptr) - 1):
        for at in range(indptr[document], indptr[document + 1]):
            if not impacts[at]:
                continue
            slot = slots[indices[at]]
            if rows[slot] >= 0:
                cell = np.int64(rows[slot]) * stride + document
                high[cell] = impacts[at] >> 8
                low[cell] = impacts[at] & 0xFF
                continue
            band = np.int64(impacts[at]) * BANDS // (np.int64(maxima[slot]) + 1)
            place = starts[slot, band]
            starts[slot, band] += 1
            postings[place] = (np.uint32(impacts[at]) << np.uint32(16)) | np.uint32(document)
