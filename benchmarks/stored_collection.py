"""Collections on disk: document vectors to map into memory, and sets of queries beside them."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.array_stream import ArrayStream
from benchmarks.collections import (
    CollectionShape,
    CsrRows,
    Query,
    SyntheticCollection,
    open_rows,
)

_ABOUT = "about.json"
# Queries of a set that is drawn: those that are measured come first, those for tuning last.
QUERIES = 1_200
# From so many active dimensions on, a collection is called wide.
_WIDE = 400


@dataclass(frozen=True, slots=True)
class StoredCollection:
    """A collection in a folder, or its first documents.

    Attributes:
        name: what reports call it.
        folder: `indptr.npy`, `indices.npy`, `data.npy`, `static_weights.npy`, and `queries/`.
        documents: how many of the documents in the folder belong to it.
        vocabulary_size: width of the vectors.
        is_synthetic: whether it was drawn and not encoded.
    """

    name: str
    folder: Path
    documents: int
    vocabulary_size: int
    is_synthetic: bool = True

    def rows(self) -> CsrRows:
        """The vectors, mapped into memory."""
        return open_rows(self.folder).rows(0, self.documents)

    def static_weights(self) -> npt.NDArray[np.float64]:
        """(V,) weight of each term in a query of the model."""
        weights: npt.NDArray[np.float64] = np.load(self.folder / "static_weights.npy")
        return weights

    def query_file(self, name: str) -> Path:
        """Where a set of queries is kept."""
        return self.folder / "queries" / f"{name}.npz"


def write_collection(
    folder: Path,
    chunks: Iterable[CsrRows],
    vocabulary_size: int,
    static_weights: npt.NDArray[np.float64],
) -> None:
    """Stream chunks of vectors into `folder`, which comes into being whole or not at all."""
    unfinished = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    (unfinished / "queries").mkdir(parents=True)
    documents = postings = 0
    with (
        ArrayStream(unfinished / "indptr.npy", np.int64) as indptr,
        ArrayStream(unfinished / "indices.npy", np.int32) as indices,
        ArrayStream(unfinished / "data.npy", np.float32) as data,
    ):
        indptr.append(np.zeros(1, np.int64))
        for chunk in chunks:
            indptr.append(chunk.indptr[1:] + postings)
            indices.append(chunk.indices)
            data.append(chunk.data)
            documents += chunk.documents
            postings += len(chunk.indices)
    np.save(unfinished / "static_weights.npy", static_weights)
    about = {"documents": documents, "postings": postings, "vocabulary_size": vocabulary_size}
    (unfinished / _ABOUT).write_text(json.dumps(about))
    unfinished.rename(folder)


def synthetic_collection(
    documents: int,
    shape: CollectionShape,
    query_terms: Iterable[int],
    cache: Path,
) -> StoredCollection:
    """A synthetic collection of the cache, drawn now where the cache has none that is as large.

    A small collection is the beginning of a large one of the same shape, so one file serves both.

    Args:
        documents: how many.
        shape: what it looks like; a seed is part of it.
        query_terms: mean lengths of queries; those of length 6 are the set `q6`.
        cache: folder of collections.
    """
    stem = f"synthetic-{shape.active_dimensions}d-{shape.vocabulary_size}v-{shape.topics}t"
    stem += f"-seed{shape.seed}"
    source: SyntheticCollection | None = None
    stored = [
        (about["documents"], path.parent)
        for path in cache.glob(f"{stem}-*/{_ABOUT}")
        if (about := json.loads(path.read_text()))["documents"] >= documents
    ]
    if stored:
        folder = min(stored)[1]
    else:
        folder = cache / f"{stem}-{documents}"
        source = SyntheticCollection(shape)
        write_collection(
            folder, source.chunks(documents), shape.vocabulary_size, source.static_weights
        )
    name = synthetic_name(documents, shape.active_dimensions)
    collection = StoredCollection(name, folder, documents, shape.vocabulary_size)
    for mean_terms in query_terms:
        file = collection.query_file(f"q{mean_terms}")
        if not file.exists():
            source = source or SyntheticCollection(shape)
            save_queries(source.queries(QUERIES, mean_terms), file)
    return collection


def synthetic_name(documents: int, active_dimensions: int) -> str:
    """Name of a collection: s100k has 100,000 documents, w100k as many wide ones."""
    width = "s" if active_dimensions < _WIDE else "w"
    for unit, letter in ((1_000_000, "m"), (1_000, "k")):
        if documents >= unit and documents % unit == 0:
            return f"{width}{documents // unit}{letter}"
    return f"{width}{documents}"


def save_queries(queries: list[Query], path: Path) -> None:
    """Write queries to an `.npz` file, for `load_queries`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        bounds=np.cumsum([0, *(len(terms) for terms, _ in queries)]),
        terms=np.concatenate([np.empty(0, np.int32), *(terms for terms, _ in queries)]),
        weights=np.concatenate([np.empty(0), *(weights for _, weights in queries)]),
    )


def count_queries(path: Path) -> int:
    """How many queries `save_queries` wrote."""
    with np.load(path) as file:
        return len(file["bounds"]) - 1


def load_queries(path: Path, first: int = 0, last: int | None = None) -> list[Query]:
    """Read queries number `first` to `last` (exclusive) of what `save_queries` wrote."""
    with np.load(path) as file:
        bounds, terms, weights = file["bounds"], file["terms"], file["weights"]
    pairs = list(itertools.pairwise(bounds.tolist()))[first:last]
    return [(terms[low:high].copy(), weights[low:high].copy()) for low, high in pairs]
