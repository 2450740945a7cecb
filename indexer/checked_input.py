"""What an index writer takes: ids, vectors and documents, checked before any of them is kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, issparse

from engine.errors import UsageError
from engine.storage.block import MAX_BLOCK_DOCUMENTS
from engine.storage.segment import dump_document
from indexer.block_preparation import rows_between
from indexer.catalog.values import MAX_ID_BYTES

CONTENT_HASH_BYTES = 16
LARGEST_WEIGHT = 2.0**126


def checked_ids(ids: Sequence[str]) -> list[bytes]:
    """Return ids as they are stored.

    Raises:
        UsageError: one of them cannot be an id.
    """
    if isinstance(ids, str):
        raise UsageError("ids must be a list of texts, not one text")
    return [_checked_id(identifier) for identifier in ids]


def _checked_id(identifier: str) -> bytes:
    if not isinstance(identifier, str) or not identifier:
        raise UsageError(f"an id must be text and not empty, not {identifier!r}")
    try:
        encoded = identifier.encode()
    except UnicodeEncodeError:
        raise UsageError(f"id {identifier!r} is not valid text") from None
    if len(encoded) > MAX_ID_BYTES:
        raise UsageError(
            f"id {identifier[:40]!r}... has {len(encoded)} bytes; at most {MAX_ID_BYTES} are kept"
        )
    return encoded


def checked_documents(ids: Sequence[str], documents: Sequence[Any]) -> list[bytes]:
    """Return documents as they are stored.

    Raises:
        UsageError: there is not one for each id, or one cannot be stored as JSON.
    """
    if len(documents) != len(ids):
        raise UsageError(f"{len(ids)} ids, but {len(documents)} documents")
    return [_checked_document(*pair) for pair in zip(ids, documents, strict=True)]


def _checked_document(identifier: str, document: Any) -> bytes:
    if not isinstance(document, dict):
        raise UsageError(
            f"document {identifier!r} must be a dictionary, not {type(document).__name__}"
        )
    try:
        return dump_document(document)
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"document {identifier!r} cannot be stored as JSON: {error}") from None


def checked_hashes(ids: Sequence[str], hashes: Sequence[bytes] | None) -> list[bytes]:
    """Return a content hash for each id, zeros where none was given.

    Raises:
        UsageError: there is not one for each id, or one is of another length.
    """
    if hashes is None:
        return [bytes(CONTENT_HASH_BYTES)] * len(ids)
    if [len(value) for value in hashes] != [CONTENT_HASH_BYTES] * len(ids):
        raise UsageError(f"give a content hash of {CONTENT_HASH_BYTES} bytes for each id")
    return list(hashes)


def checked_vectors(
    ids: Sequence[str], vectors: csr_matrix, width: int, limit: float, *, saturate: bool
) -> csr_matrix:
    """Return vectors as float32 with distinct indices in a row; those given stay as they are.

    Nothing is copied that needs no change, so that a large matrix is in memory once.

    Args:
        ids: N ids, for messages.
        vectors: (N, width) sparse matrix of weights from 0 to `limit`.
        width: V.
        limit: the largest weight that the index holds; 0 while that is open.
        saturate: take larger finite weights as `limit`.

    Raises:
        UsageError: the matrix is of another shape, or holds what is no weight.
    """
    if not issparse(vectors):
        raise UsageError(
            f"vectors must be a SciPy sparse matrix, not {type(vectors).__name__}; "
            "scipy.sparse.csr_matrix(vectors) makes one"
        )
    if vectors.shape != (len(ids), width):
        raise UsageError(
            f"vectors of shape {vectors.shape} do not fit {len(ids)} ids and a vocabulary of "
            f"{width}"
        )
    rows = vectors.tocsr().astype(np.float32, copy=False)
    try:
        rows.check_format(full_check=True)
    except ValueError as error:
        raise UsageError(f"vectors are not a valid CSR matrix: {error}") from None
    if _has_duplicates(rows):
        rows = rows.copy()
        rows.sum_duplicates()
    limit = limit or LARGEST_WEIGHT
    if saturate and len(rows.data) and limit < rows.data.max() < math.inf:
        clipped = np.minimum(rows.data, np.float32(limit))
        rows = csr_matrix((clipped, rows.indices, rows.indptr), shape=rows.shape)
    if not len(rows.data) or (rows.data.min() >= 0 and rows.data.max() <= limit):  # NaN is neither
        return rows
    bad = np.flatnonzero(~((rows.data >= 0) & (rows.data <= limit)))
    row = int(np.searchsorted(rows.indptr, bad[0], side="right")) - 1
    raise UsageError(
        f"document {ids[row]!r} has weight {rows.data[bad[0]]} in dimension "
        f"{rows.indices[bad[0]]}; this index holds weights from 0 to {limit:g}"
        + (" (set max_weight when it is created)" if limit < LARGEST_WEIGHT else "")
    )


def _has_duplicates(rows: csr_matrix) -> bool:
    """Whether a dimension is given twice in a row; a block at a time is sorted to find out."""
    if rows.has_canonical_format:
        return False
    for begin in range(0, rows.shape[0], MAX_BLOCK_DOCUMENTS):
        piece = rows_between(rows, begin, min(rows.shape[0], begin + MAX_BLOCK_DOCUMENTS)).copy()
        piece.sort_indices()
        if not piece.has_canonical_format:
            return True
    return False
