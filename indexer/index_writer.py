"""The index writer: takes documents with their vectors, and commits them block by block."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from scipy.sparse import csr_matrix

from engine.errors import DocumentNotFoundError, UsageError
from engine.storage.catalog_settings import CatalogSettings
from engine.storage.manifest import MOST_TERMS, ModelRecord
from engine.storage.store_writer import QuerySide, StoreWriter
from engine.storage.unfinished_run import UnfinishedRun
from engine.usable_cpus import usable_cpus
from indexer.checked_input import (
    checked_documents,
    checked_hashes,
    checked_ids,
    checked_vectors,
)
from indexer.max_weight import checked_max_weight, max_weight_for, max_weight_of
from indexer.stored_state import StoredState, compare
from indexer.uncommitted import Uncommitted

if TYPE_CHECKING:
    from indexer.model import SparseModel


class IndexWriter:
    """Adds documents to an index, new or existing, and replaces and deletes them by id.

    Nothing is visible to readers before `commit`, and a commit is all or nothing; `abort` drops
    what came after the last one. Documents are collected until a block is full, with 65,536
    documents or 256 MB of them; a full block is committed at once, so memory is bounded by a
    block, and more than that is not one transaction. Used as a context manager it commits at the
    end, or aborts after an error.

    Args:
        path: directory of the index; created if need be.
        model: the model that gives the vectors; None for vectors of one's own.
        vocabulary_size: V, the width of vectors of one's own. With neither of the two an existing
            index is opened as it is: one of a model then takes deletions and new fields, but no
            vectors.
        max_weight: the largest weight that a new index of vectors of one's own shall hold;
            rounded up to a power of two. By default twice the largest that is added first.
        wait: how many seconds to wait for another writer to finish.
        threads: with more than 1, by default where there are more CPUs, the next block of a large
            matrix is prepared on a second thread while one is written.

    Raises:
        IndexLockedError: another writer is at work.
        IndexNotFoundError: there is no index, and neither model nor width was given.
        ModelMismatchError: the index was built with another model or width.
        IndexDamagedError, IndexFormatError: the existing index cannot be read.

    Example:
        >>> with IndexWriter("own.index", vocabulary_size=30522) as writer:
        ...     writer.upsert(ids, vectors, documents)
        ...     writer.delete(["discontinued"])
    """

    def __init__(
        self,
        path: str | Path,
        *,
        model: SparseModel | None = None,
        vocabulary_size: int | None = None,
        max_weight: float | None = None,
        wait: float = 0.0,
        threads: int | None = None,
    ) -> None:
        if threads is not None and threads < 1:
            raise UsageError(f"threads must be at least 1, not {threads}")
        query_side = None
        if model is not None:
            vocabulary_size = model.vocabulary_size
            max_weight = max_weight_of(model.pooling)
            query_side = _query_side(model)
        if vocabulary_size is not None and not 1 <= vocabulary_size <= MOST_TERMS:
            raise UsageError(f"the vocabulary_size of vectors is from 1 to {MOST_TERMS:,}")
        self._store = StoreWriter(
            path,
            vocabulary_size=vocabulary_size,
            max_weight=None if max_weight is None else checked_max_weight(max_weight),
            query_side=query_side,
            wait=wait,
        )
        self._has_model = model is not None
        self._is_closed = False
        self._max_weight_before = self._store.manifest.quantization.max_weight
        try:
            self._uncommitted = Uncommitted(self._store, threads or usable_cpus())
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
        self._is_closed = True
        self._uncommitted.close()
        self._store.close()

    def use_model(self, model: SparseModel) -> None:
        """Say which model gives the vectors, of a writer that was opened without one.

        Raises:
            ModelMismatchError: the index was built with another.
        """
        self._store.refuse_other_model(model.vocabulary_size, _query_side(model))
        self._has_model = True

    @property
    def model(self) -> ModelRecord | None:
        """What the index knows of the model that it was built with."""
        return self._store.manifest.model

    def add(
        self,
        ids: Sequence[str],
        vectors: csr_matrix,
        documents: Sequence[Any] | None = None,
        content_hashes: Sequence[bytes] | None = None,
    ) -> None:
        """Add documents with new ids; the arguments are those of `upsert`.

        Raises:
            UsageError: an id is there already or twice among `ids`, or as with `upsert`; none of
                these documents was added.
            IndexWriteError: a full block could not be committed.
        """
        encoded = checked_ids(ids)
        self._refuse_closed()
        places = self._uncommitted.locate(encoded)
        seen: set[bytes] = set()
        for identifier, key, place in zip(ids, encoded, places, strict=True):
            if key in seen or self._uncommitted.holds(key, place):
                raise UsageError(f"id {identifier!r} is there already; upsert replaces it")
            seen.add(key)
        self.upsert(ids, vectors, documents, content_hashes)

    def upsert(
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
        encoded = checked_ids(ids)
        self._refuse_closed()
        manifest = self._store.manifest
        if manifest.model is not None and not self._has_model:
            raise UsageError(
                f"{self._store.path} holds vectors of the model {manifest.model.name}; open its "
                "writer with that model to add others"
            )
        limit = manifest.quantization.max_weight
        rows = checked_vectors(
            ids,
            vectors,
            manifest.vocabulary_size,
            limit,
            # A model's rare weight beyond the limit is stored as the limit.
            saturate=self._has_model,
        )
        stored, hashes = None, None
        if documents is not None:
            stored = checked_documents(ids, documents)
            hashes = checked_hashes(ids, content_hashes)
        self._refuse_mixture(stored is not None)
        if not limit and rows.nnz:
            self._store.set_max_weight(max_weight_for(float(rows.data.max())))
        self._uncommitted.take(encoded, rows, stored, hashes)

    def update_documents(self, ids: Sequence[str], documents: Sequence[Any]) -> None:
        """Replace the stored documents of known ids; their vectors stay as they are.

        For fields that are not searched, such as a price: nothing is encoded.

        Raises:
            DocumentNotFoundError: an id is not there; nothing was replaced.
            UsageError: a document cannot be stored as JSON; nothing was replaced.
            IndexWriteError: a full block could not be committed.
        """
        encoded = checked_ids(ids)
        self._refuse_closed()
        stored = checked_documents(ids, documents)
        places = self._uncommitted.locate(encoded)
        located = list(zip(encoded, places, strict=True))
        for identifier, (key, place) in zip(ids, located, strict=True):
            if not self._uncommitted.holds(key, place):
                raise DocumentNotFoundError(
                    f"{self._store.path} has no document with id {identifier!r}"
                )
        self._refuse_mixture(has_documents=True)
        hashes = [self._uncommitted.content_hash(*one) for one in located]
        vectors = self._uncommitted.vectors(encoded, places)
        self._uncommitted.take(encoded, vectors, stored, hashes)

    def delete(self, ids: Sequence[str]) -> list[str]:
        """Delete documents by their ids.

        Returns:
            Those of `ids` that were not there.

        Raises:
            UsageError: an id is not text; nothing was deleted.
        """
        ids = list(dict.fromkeys(ids)) if not isinstance(ids, str) else ids
        encoded = checked_ids(ids)
        self._refuse_closed()
        places = self._uncommitted.locate(encoded)
        return [
            identifier
            for identifier, key, place in zip(ids, encoded, places, strict=True)
            if not self._uncommitted.delete(key, place)
        ]

    def unknown(self, ids: Sequence[str]) -> list[str]:
        """Return those of `ids` that are not there, committed or not.

        Raises:
            UsageError: an id is not text, or this writer is closed.
        """
        encoded = checked_ids(ids)
        self._refuse_closed()
        places = self._uncommitted.locate(encoded)
        return [
            identifier
            for identifier, key, place in zip(ids, encoded, places, strict=True)
            if not self._uncommitted.holds(key, place)
        ]

    def commit(self) -> None:
        """Publish everything since the last commit.

        Raises:
            IndexWriteError: the disk is full, or the like; the index is as it was before.
            UsageError: this writer is closed.
        """
        self._refuse_closed()
        self._uncommitted.commit()
        self._max_weight_before = self._store.manifest.quantization.max_weight

    def abort(self) -> None:
        """Drop everything since the last commit or checkpoint; the index stays as it is.

        Raises:
            UsageError: this writer is closed.
        """
        self._refuse_closed()
        # What was dropped may have been what decided the quantization of a new index.
        self._store.set_max_weight(self._max_weight_before)
        self._store.forget_settings()
        self._uncommitted.forget()

    def checkpoint(self) -> None:
        """Publish everything since the last commit, and go on filling the same block.

        The next commit or checkpoint replaces the segment that this one writes, so that saving
        often does not leave many small segments.

        Raises:
            IndexWriteError: as `commit`.
        """
        self._refuse_closed()
        self._uncommitted.checkpoint()
        self._max_weight_before = self._store.manifest.quantization.max_weight

    def begin_run(self, run: UnfinishedRun) -> None:
        """Store with every commit that this run is not finished, until `end_run`."""
        others = tuple(one for one in self._store.unfinished_runs if not one.is_same(run))
        self._store.unfinished_runs = (*others, run)

    def end_run(self, run: UnfinishedRun) -> None:
        """Let the next commit say that a run has finished."""
        self._store.unfinished_runs = tuple(
            one for one in self._store.unfinished_runs if not one.is_same(run)
        )

    def end_all_runs(self) -> None:
        """Let the next commit say that no run is unfinished."""
        self._store.unfinished_runs = ()

    def keep_settings(self, settings: CatalogSettings) -> None:
        """Let the next commit say how catalogs are read; what is left open stays as it was said.

        Raises:
            UsageError: `max_active_dims` is less than 1.
        """
        if (dims := settings.max_active_dims) is not None:
            if dims < 1:
                raise UsageError(f"max_active_dims is {dims}: it must be 1 or more")
            settings = dataclasses.replace(settings, max_active_dims=int(dims))
        self._store.catalog_settings = settings.over(self._store.catalog_settings)

    def states(
        self, ids: Sequence[str], content_hashes: Sequence[bytes], documents: Sequence[Any]
    ) -> list[StoredState]:
        """Compare documents with what there is under their ids, uncommitted ones included.

        Args:
            ids: N ids.
            content_hashes: N hashes of 16 bytes, of what decides the vectors.
            documents: N dictionaries of what JSON holds.

        Raises:
            UsageError: this writer is closed.
        """
        self._refuse_closed()
        encoded = [identifier.encode() for identifier in ids]
        known = self._uncommitted
        return [
            compare(
                content_hashes[at],
                documents[at],
                known.content_hash(key, place) if known.holds(key, place) else None,
                partial(known.document, key, place),
            )
            for at, (key, place) in enumerate(zip(encoded, known.locate(encoded), strict=True))
        ]

    def _refuse_mixture(self, has_documents: bool) -> None:
        if self._uncommitted.mixes(has_documents):
            raise UsageError("give documents with all vectors of an index, or with none")

    def _refuse_closed(self) -> None:
        if self._is_closed:
            raise UsageError(f"this writer of {self._store.path} is closed; open another")


def _query_side(model: SparseModel) -> QuerySide:
    return QuerySide(
        ModelRecord(model.name, model.fingerprint, model.max_length, model.query_prompt),
        model.tokenizer_json,
        model.static_weights,
    )
