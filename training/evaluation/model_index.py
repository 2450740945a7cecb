"""A collection's documents under a model, in a real index, searched by the real engine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine import IndexNotFoundError, ModelMismatchError, SearchEngine, UsageError
from engine.usable_cpus import usable_cpus
from indexer.index_writer import IndexWriter
from indexer.model import SparseModel
from indexer.stored_state import StoredState
from training.evaluation.collection import Collection
from training.evaluation.ranking import Ranking, ScoredDocument
from training.evaluation.sparsity import document_frequencies

_WINDOW = 4096
# Hits bring their documents with them: a batch of all queries could hold millions.
_QUERIES_AT_ONCE = 1024


class ModelIndex:
    """An open index of a collection under a model; a `Retriever`.

    Attributes:
        frequencies: (V,) int64, in how many documents each vocabulary entry occurs.
        encoded: how many documents were encoded; the others were in the index already.
    """

    def __init__(
        self,
        collection: Collection,
        model: SparseModel,
        path: Path,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Write what is not yet in the index, and open it.

        Args:
            collection: the documents.
            model: gives the vectors.
            path: folder of the index, new or kept from an evaluation before.
            progress: called with the number of documents newly done.

        Raises:
            UsageError: the index holds other documents, or others besides, or was built with
                another model; it is as it was.
            EngineError: see `IndexWriter`.
        """
        _refuse_other_documents(path, collection)
        try:
            self.encoded = _write(collection, model, path, progress)
        except ModelMismatchError as error:
            raise UsageError(
                f"the index {path} was built with another model, or with this one before it was "
                "changed: name another folder for the index"
            ) from error
        self.frequencies: npt.NDArray[np.int64] = document_frequencies(path)
        self._engine = SearchEngine.open(path)

    def search(self, texts: Sequence[str], k: int) -> list[Ranking]:
        """Return the k best documents of each text, as `SearchEngine` finds them."""
        rankings: list[Ranking] = []
        for begin in range(0, len(texts), _QUERIES_AT_ONCE):
            batch = list(texts[begin : begin + _QUERIES_AT_ONCE])
            results = self._engine.search_batch(batch, k, threads=usable_cpus())
            rankings.extend([ScoredDocument(hit.id, hit.score) for hit in hits] for hits in results)
        return rankings

    def close(self) -> None:
        """Let go of the index."""
        self._engine.close()

    def __enter__(self) -> ModelIndex:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _refuse_other_documents(path: Path, collection: Collection) -> None:
    try:
        engine = SearchEngine.open(path)
    except IndexNotFoundError:
        return
    with engine:
        ours = sum(id in engine for id in collection.ids)
        others = len(engine) - ours
    if others:
        raise UsageError(
            f"the index {path} holds {others} documents that are not in {collection.name}: name "
            "another folder for the index"
        )


def _write(
    collection: Collection,
    model: SparseModel,
    path: Path,
    progress: Callable[[int], None] | None,
) -> int:
    encoded = 0
    with IndexWriter(path, model=model) as writer:
        for begin in range(0, len(collection.ids), _WINDOW):
            ids = collection.ids[begin : begin + _WINDOW]
            texts = collection.texts[begin : begin + _WINDOW]
            hashes = [hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts]
            documents = [{"id": id, "text": text} for id, text in zip(ids, texts, strict=True)]
            states = writer.states(ids, hashes, documents)
            fresh = [at for at, state in enumerate(states) if state is not StoredState.SAME]
            if progress is not None:
                progress(len(ids) - len(fresh))
            if not fresh:
                continue
            vectors = model.encode_document([texts[at] for at in fresh], progress=progress)
            writer.upsert(
                [ids[at] for at in fresh],
                vectors,
                [documents[at] for at in fresh],
                [hashes[at] for at in fresh],
            )
            # A run that is interrupted goes on from here.
            writer.checkpoint()
            encoded += len(fresh)
    return encoded
