"""Inversion: rows of a document-term matrix become the impact-ordered posting lists of a block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from numba import njit

from engine.errors import UsageError
from engine.storage.block import (
    BANDS,
    MAX_BLOCK_DOCUMENTS,
    InvertedBlock,
    piece_checksums,
    row_stride,
)
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
    # A manifest is JSON, where the largest weight may be written as a whole number.
    bad = _quantize(data, scale, float(quantization.max_weight), impacts)
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
    _count(indices, impacts, frequencies)
    terms = np.flatnonzero(frequencies)
    lengths = frequencies[terms]
    dense = lengths > DENSE_SHARE * documents
    if documents < MIN_DENSE_DOCUMENTS:
        dense[:] = False
    # All terms get a list, those of dense rows behind the others, where they are of no more use
    # once the rows are filled: to write each row while documents come by would miss every cache.
    offsets = np.zeros(len(terms) + 1, np.int64)
    np.cumsum(np.where(dense, 0, lengths), out=offsets[1:])
    dense_ends = offsets[-1] + np.cumsum(lengths[dense])
    ends = np.zeros(vocabulary_size, np.int64)
    ends[terms] = offsets[:-1]
    ends[terms[dense]] = dense_ends - lengths[dense]
    lists = np.empty(int(lengths.sum()), np.uint32)
    _scatter(indptr, indices, impacts, ends, lists)
    postings, dense_lists = np.split(lists, offsets[-1:])
    maxima = np.zeros(len(terms), np.uint16)
    _order(offsets, postings, maxima)
    stride = row_stride(documents)
    high = np.zeros(len(dense_ends) * stride, np.uint8)
    low = np.zeros_like(high)
    dense_maxima = np.zeros(len(dense_ends), np.uint16)
    _fill_rows(dense_ends - offsets[-1], dense_lists, stride, high, low, dense_maxima)
    maxima[dense] = dense_maxima
    rows = np.where(dense, np.cumsum(dense) - 1, -1).astype(np.int32)
    begins = offsets.astype(np.uint32)
    return InvertedBlock(
        documents=documents,
        terms=terms.astype(np.uint32),
        offsets=begins,
        maxima=maxima,
        rows=rows,
        checksums=piece_checksums(begins, rows, postings, high, low, stride),
        postings=postings,
        high=high,
        low=low,
        occurrences=len(lists),
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
def _count(indices, impacts, frequencies):  # type: ignore[no-untyped-def]
    """Document frequency of each term."""
    for at in range(len(indices)):
        if impacts[at]:
            frequencies[indices[at]] += 1


@kernel
def _scatter(indptr, indices, impacts, ends, lists):  # type: ignore[no-untyped-def]
    """Counting sort of all postings by term; documents stay in order inside a list."""
    for document in range(len(indptr) - 1):
        for at in range(indptr[document], indptr[document + 1]):
            impact = np.uint32(impacts[at])
            if impact:
                end = ends[indices[at]]
                lists[end] = (impact << np.uint32(16)) | np.uint32(document)
                ends[indices[at]] = end + 1


@kernel
def _order(offsets, postings, maxima):  # type: ignore[no-untyped-def]
    """Counting sort of each list by band, through a copy that fits the cache."""
    longest = 0
    for slot in range(len(maxima)):
        longest = max(longest, offsets[slot + 1] - offsets[slot])
    copy = np.empty(longest, np.uint32)
    ends = np.empty(BANDS, np.int64)
    for slot in range(len(maxima)):
        posting_list = postings[offsets[slot] : offsets[slot + 1]]
        if not len(posting_list):
            continue
        largest = np.uint32(0)
        for at in range(len(posting_list)):
            largest = max(largest, posting_list[at])
            copy[at] = posting_list[at]
        maximum = np.uint64(largest >> np.uint32(16))
        maxima[slot] = maximum
        # impact * BANDS // (maximum + 1) as a multiplication and a shift: exact, because the
        # quotient rounded up is off by less than 1, and impact * (maximum + 1) is below 2 ** 32.
        divisor = maximum + np.uint64(1)
        factor = ((np.uint64(BANDS) << np.uint64(32)) + maximum) // divisor
        ends[:] = 0
        for at in range(len(posting_list)):
            ends[(np.uint64(copy[at] >> np.uint32(16)) * factor) >> np.uint64(32)] += 1
        end = 0
        for band in range(BANDS - 1, -1, -1):
            size = ends[band]
            ends[band] = end
            end += size
        for at in range(len(posting_list)):
            level = (np.uint64(copy[at] >> np.uint32(16)) * factor) >> np.uint64(32)
            posting_list[ends[level]] = copy[at]
            ends[level] += 1


@kernel
def _fill_rows(ends, lists, stride, high, low, maxima):  # type: ignore[no-untyped-def]
    """Spread lists over dense rows."""
    begin = 0
    for row in range(len(ends)):
        largest = np.uint32(0)
        for at in range(begin, ends[row]):
            largest = max(largest, lists[at])
            cell = row * stride + np.int64(lists[at] & np.uint32(0xFFFF))
            high[cell] = lists[at] >> np.uint32(24)
            low[cell] = lists[at] >> np.uint32(16) & np.uint32(0xFF)
        maxima[row] = largest >> np.uint32(16)
        begin = ends[row]
