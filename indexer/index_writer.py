"""The index writer: takes documents with their vectors, and commits them block by block."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix, issparse, vstack

from engine.errors import UsageError
from engine.storage.block import MAX_BLOCK_DOCUMENTS
from engine.storage.manifest import ModelRecord
from engine.storage.segment import dump_document
from engine.storage.snapshot import Snapshot
from engine.storage.store_writer import QuerySide, SegmentContent, StoreWriter
from indexer.catalog.values import MAX_ID_BYTES
from indexer.inversion import invert

if TYPE_CHECKING:
    from indexer.model import SparseModel

# log1p(relu(logit)) reaches 8 at a logit of 2,980; models stay below 4. Sums over the tokens of a
# document can be much larger. The weight of impact 1 is the 65,536th part of this.
_MAX_WEIGHT_OF_MAX_POOLING = 8.0
_MAX_WEIGHT_OF_SUM_POOLING = 1024.0
_SMALLEST_MAX_WEIGHT = 1e-30
_FLOAT32_MAX = float(np.finfo(np.float32).max)
_LARGEST_WEIGHT = 2.0**126
# Documents with large fields fill a block by bytes before they fill it by number.
_PENDING_BYTES = 256 << 20
CONTENT_HASH_BYTES = 16


class IndexWriter:
    """Adds documents to an index, new or existing; an id that is known is replaced.

    Documents are collected until a block is full, with 65,536 documents or 256 MB of them; a full
    block is inverted and committed as a segment, so memory is bounded by a block. Used as a
    context manager it commits the rest at the end, or drops it after an error.

    Args:
        path: directory of the index; created if need be.
        model: the model that gives the vectors; None for vectors of one's own.
        vocabulary_size: V, the width of vectors of one's own.
        max_weight: the largest weight that a new index of vectors of one's own shall hold;
            rounded up to a power of two. By default twice the largest that is added first.

    Raises:
        IndexLockedError: another writer is at work.
        ModelMismatchError: the index was built with another model or width.
        IndexDamagedError, IndexFormatError: the existing index cannot be read.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        model: SparseModel | None = None,
        vocabulary_size: int | None = None,
        max_weight: float | None = None,
    ) -> None:
        query_side = None
        if model is not None:
            vocabulary_size = model.vocabulary_size
            max_weight = (
                _MAX_WEIGHT_OF_SUM_POOLING if model.pooling == "sum" else _MAX_WEIGHT_OF_MAX_POOLING
            )
            query_side = QuerySide(
                ModelRecord(model.name, model.fingerprint, model.max_length, model.query_prompt),
                model.tokenizer_json,
                model.static_weights,
            )
        if vocabulary_size is None or vocabulary_size < 1:
            raise UsageError("name the vocabulary_size of the vectors, at least 1")
        if max_weight is not None and not (_SMALLEST_MAX_WEIGHT <= max_weight <= _FLOAT32_MAX):
            raise UsageError(
                f"max_weight must be from {_SMALLEST_MAX_WEIGHT:g} to the largest float32, "
                f"not {max_weight}"
            )
        self._vocabulary_size = vocabulary_size
        self._store = StoreWriter(
            path,
            vocabulary_size=vocabulary_size,
            max_weight=_power_of_two(max_weight) if max_weight else None,
            query_side=query_side,
        )
        self._saturates = model is not None
        self._first_segment = self._store.manifest.next_segment
        self._pending = _Pending()
        self._checkpoint: int | None = None
        try:
            self._committed: Snapshot | None = self._store.snapshot()
        except BaseException:
            self._store.close()
            raise

    def __len__(self) -> int:
        """Live documents of the last commit."""
        return self._store.manifest.documents

    def __bool__(self) -> bool:
        """True even when empty: a writer is not its documents."""
        return True

    def __enter__(self) -> IndexWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.commit()
        finally:
            self.close()

    def close(self) -> None:
        """Let another writer in; what was not committed is dropped."""
        if self._committed is not None:
            self._committed.close()
            self._committed = None
        self._store.close()

    def add(
        self,
        ids: Sequence[str],
        vectors: csr_matrix,
        documents: Sequence[Any] | None = None,
        content_hashes: Sequence[bytes] | None = None,
    ) -> None:
        """Add documents, or replace those whose ids are known; the last of equal ids wins.

        Args:
            ids: N external ids, not empty, at most 65,535 bytes of UTF-8 each.
            vectors: (N, V) CSR matrix of finite weights, none negative.
            documents: N dictionaries to be stored and returned with hits, of what JSON holds.
            content_hashes: 16 bytes for each document that tell whether it must be encoded again.

        Raises:
            UsageError: the arguments do not fit together, or hold what cannot be stored; none of
                these documents was added.
            IndexWriteError: a full block could not be committed.
        """
        if isinstance(ids, str):
            raise UsageError("ids must be a list of texts, not one text")
        rows = self._checked_vectors(ids, vectors)
        encoded = [_checked_id(identifier) for identifier in ids]
        stored: Sequence[bytes] | None = None
        if documents is not None:
            if len(documents) != len(ids):
                raise UsageError(f"{len(ids)} ids, but {len(documents)} documents")
            stored = [_checked_document(*pair) for pair in zip(ids, documents, strict=True)]
            if content_hashes is None:
                content_hashes = [bytes(CONTENT_HASH_BYTES)] * len(ids)
            if [len(value) for value in content_hashes] != [CONTENT_HASH_BYTES] * len(ids):
                raise UsageError(f"give a content hash of {CONTENT_HASH_BYTES} bytes for each id")
        if (stored is not None) != self._pending.has_documents and len(self._pending):
            raise UsageError("give documents with all vectors of an index, or with none")
        if not self._store.manifest.quantization.max_weight and rows.nnz:
            self._store.set_max_weight(_power_of_two(2 * (float(rows.data.max()) or 0.5)))
        # Rows are taken piece by piece, so that a large matrix is never copied whole.
        begin = 0
        while begin < len(ids):
            end = min(len(ids), begin + MAX_BLOCK_DOCUMENTS - len(self._pending))
            self._pending.extend(
                encoded[begin:end],
                rows[begin:end],
                None if stored is None else stored[begin:end],
                None if content_hashes is None else content_hashes[begin:end],
            )
            begin = end
            if len(self._pending) >= MAX_BLOCK_DOCUMENTS or self._pending.bytes >= _PENDING_BYTES:
                self.commit()

    def commit(self) -> None:
        """Publish everything added so far.

        Raises:
            IndexWriteError: the disk is full, or the like; the index is as it was before.
        """
        if len(self._pending) or not self._store.manifest.transaction:
            self._publish()
        self._pending = _Pending()
        self._checkpoint = None

    def checkpoint(self) -> None:
        """Publish everything added so far, and go on filling the same block.

        The next commit or checkpoint replaces the segment that this one writes, so that saving
        often does not leave many small segments.

        Raises:
            IndexWriteError: as `commit`.
        """
        if len(self._pending):
            self._checkpoint = self._publish()

    def _publish(self) -> int:
        """Commit what is pending in place of the last checkpoint; returns the segment's number."""
        ids, rows, documents, hashes = self._pending.live()
        number = self._store.manifest.next_segment
        deleted = self._replaced_by(ids)
        content = []
        if ids:
            block = invert(
                rows.indptr.astype(np.int64),
                rows.indices.astype(np.int32, copy=False),
                rows.data,
                self._vocabulary_size,
                self._store.manifest.quantization,
            )
            content.append(SegmentContent([block], ids, documents, hashes))
        if self._committed is not None:
            self._committed.close()
            self._committed = None
        dropped = () if self._checkpoint is None else (self._checkpoint,)
        try:
            self._store.commit(content, deleted, dropped)
        finally:
            self._committed = self._store.snapshot()
        return number

    def current(
        self, ids: Sequence[str], content_hashes: Sequence[bytes], documents: Sequence[Any]
    ) -> list[bool]:
        """Tell which documents are in the index already, with the same text and fields."""
        found = [False] * len(ids)
        if self._committed is None:
            return found
        encoded = [identifier.encode() for identifier in ids]
        for segment in self._committed.segments:
            for at, document in segment.find_many(encoded):
                found[at] = (
                    encoded[at] not in self._pending
                    and segment.content_hash(document) == content_hashes[at]
                    and segment.stored_document(document) == dump_document(documents[at])
                )
        return found

    def added_in_this_run(self, ids: Sequence[str]) -> list[bool]:
        """Tell which ids were added by this writer before, committed or not."""
        encoded = [identifier.encode() for identifier in ids]
        found = [identifier in self._pending for identifier in encoded]
        if self._committed is not None:
            for segment in self._committed.segments:
                if segment.record.number >= self._first_segment:
                    for at, _ in segment.find_many(encoded):
                        found[at] = True
        return found

    def _replaced_by(self, ids: Sequence[bytes]) -> dict[int, npt.NDArray[np.bool_]]:
        """Masks of deleted documents of the segments in which one of `ids` lives."""
        deleted: dict[int, npt.NDArray[np.bool_]] = {}
        if self._committed is None:
            return deleted
        for segment in self._committed.segments:
            found = segment.find_many(ids)
            if found and segment.record.number != self._checkpoint:
                mask = segment.deleted_mask()
                mask[[document for _, document in found]] = True
                deleted[segment.record.number] = mask
        return deleted

    def _checked_vectors(self, ids: Sequence[str], vectors: csr_matrix) -> csr_matrix:
        if not issparse(vectors):
            raise UsageError(
                f"vectors must be a SciPy sparse matrix, not {type(vectors).__name__}; "
                "scipy.sparse.csr_matrix(vectors) makes one"
            )
        if vectors.shape != (len(ids), self._vocabulary_size):
            raise UsageError(
                f"vectors of shape {vectors.shape} do not fit {len(ids)} ids and a vocabulary of "
                f"{self._vocabulary_size}"
            )
        rows = vectors.tocsr().astype(np.float32, copy=False)
        try:
            rows.check_format(full_check=True)
        except ValueError as error:
            raise UsageError(f"vectors are not a valid CSR matrix: {error}") from None
        if not rows.has_canonical_format:
            rows = rows.copy()
            rows.sum_duplicates()
        limit = self._store.manifest.quantization.max_weight or _LARGEST_WEIGHT
        if self._saturates and len(rows.data) and limit < rows.data.max() < math.inf:
            # A model's rare weight beyond the limit is stored as the limit.
            clipped = np.minimum(rows.data, np.float32(limit))
            rows = csr_matrix((clipped, rows.indices, rows.indptr), shape=rows.shape)
        bad = np.flatnonzero(~((rows.data >= 0) & (rows.data <= limit) & np.isfinite(rows.data)))
        if len(bad):
            row = int(np.searchsorted(rows.indptr, bad[0], side="right")) - 1
            raise UsageError(
                f"document {ids[row]!r} has weight {rows.data[bad[0]]} in dimension "
                f"{rows.indices[bad[0]]}; this index holds weights from 0 to {limit:g}"
                + (" (set max_weight when it is created)" if limit < _LARGEST_WEIGHT else "")
            )
        return rows


class _Pending:
    """Documents that wait for their block to be full."""

    def __init__(self) -> None:
        self._ids: list[bytes] = []
        self._rows: list[csr_matrix] = []
        self._documents: list[bytes] = []
        self._hashes: list[bytes] = []
        self._last: dict[bytes, int] = {}
        self.has_documents = False
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, identifier: bytes) -> bool:
        return identifier in self._last

    def extend(
        self,
        ids: Sequence[bytes],
        rows: csr_matrix,
        documents: Sequence[bytes] | None,
        hashes: Sequence[bytes] | None,
    ) -> None:
        for at, identifier in enumerate(ids, start=len(self._ids)):
            self._last[identifier] = at
        self._ids.extend(ids)
        self._rows.append(rows)
        if documents is not None and hashes is not None:
            self.has_documents = True
            self._documents.extend(documents)
            self.bytes += sum(map(len, documents))
            self._hashes.extend(hashes)

    def live(
        self,
    ) -> tuple[list[bytes], csr_matrix, list[bytes] | None, list[bytes] | None]:
        """Ids, vectors, documents and hashes, of equal ids the last only."""
        if not self._ids:
            return [], csr_matrix((0, 0), dtype=np.float32), None, None
        rows = _stacked(self._rows)
        kept = sorted(self._last.values())
        if len(kept) < len(self._ids):
            rows = rows[np.array(kept, np.int64)]
        ids = [self._ids[at] for at in kept]
        if not self.has_documents:
            return ids, rows, None, None
        return (
            ids,
            rows,
            [self._documents[at] for at in kept],
            [self._hashes[at] for at in kept],
        )


def _stacked(rows: list[csr_matrix]) -> csr_matrix:
    return rows[0] if len(rows) == 1 else csr_matrix(vstack(rows, format="csr"))


def _power_of_two(weight: float) -> float:
    return float(2.0 ** math.ceil(math.log2(weight)))


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


def _checked_document(identifier: str, document: Any) -> bytes:
    if not isinstance(document, dict):
        raise UsageError(
            f"document {identifier!r} must be a dictionary, not {type(document).__name__}"
        )
    try:
        return dump_document(document)
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"document {identifier!r} cannot be stored as JSON: {error}") from None
