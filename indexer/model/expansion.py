"""Document expansion: words that a document has weights for hand them on to words of like meaning.

A fixed sparse matrix P (V, V) turns the encoder's vector v into v + v P. Only words that P gives to
change, and only they compete for the places that they have among the largest entries of a document:
nothing else is pushed out, and a query of other words is answered as it was before.

It is how a rare word that training hardly ever met, such as a Spanish trade word, is found all the
same: it takes weight from its translations. In cross-language retrieval this is known as
probabilistic structured queries (Darwish and Oard 2003), here applied to documents when they are
indexed, so that queries stay as short as they are.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_matrix

from engine.errors import ModelError
from indexer.model.csr_rows import largest_positions
from indexer.model.json_file import read_json_object

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"


@dataclass(frozen=True)
class DocumentExpansion:
    """The matrix P and how many entries a document keeps.

    Attributes:
        weights: P, (V, V) float32 CSR: row is the word that gives, column the one that takes.
        limit: so many entries of a document are kept; None for all.
    """

    weights: csr_matrix
    limit: int | None = None

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of matrix and limit."""
        parts = (self.weights.indptr, self.weights.indices, self.weights.data)
        kinds = (np.int64, np.int64, np.float32)
        digest = hashlib.sha256(str(self.limit).encode())
        for part, kind in zip(parts, kinds, strict=True):
            digest.update(part.astype(kind).tobytes())
        return digest.hexdigest()

    def __call__(self, vectors: csr_matrix) -> csr_matrix:
        """Return `vectors` (n, V) expanded, float32 CSR with sorted indices.

        With a limit, entries that take nothing from others are those that would be kept of the
        unexpanded vector; the rest of the places go to the largest of those that take.
        """
        vectors = csr_matrix(vectors, dtype=np.float32)
        vectors.sort_indices()
        expanded = csr_matrix(vectors + vectors @ self.weights, dtype=np.float32)
        expanded.sort_indices()
        if self.limit is None:
            return expanded
        own = largest_positions(vectors.indices, vectors.data, vectors.indptr, self.limit)
        kept = _chosen(vectors, own[~self._takes[vectors.indices[own]]])
        candidates = _chosen(expanded, np.flatnonzero(self._takes[expanded.indices])) + kept
        candidates.sort_indices()
        # What stays anyway comes before all that takes.
        order = np.where(self._takes[candidates.indices], candidates.data, np.inf)
        chosen = largest_positions(candidates.indices, order, candidates.indptr, self.limit)
        return _chosen(candidates, chosen)

    @cached_property
    def _takes(self) -> np.ndarray:
        """Which entries take weight from others, (V,) bool."""
        takes = np.zeros(self.weights.shape[1], dtype=np.bool_)
        takes[self.weights.indices] = True
        return takes

    def write(self, directory: Path) -> None:
        """Write matrix, entry by entry in order of the rows, and limit to an existing directory."""
        entries = self.weights.tocoo()
        settings = {"vocabulary_size": self.weights.shape[0], "limit": self.limit}
        (directory / CONFIG_FILE).write_text(json.dumps(settings, indent=4), encoding="utf-8")
        save_file(
            {
                "sources": entries.row.astype(np.int32),
                "targets": entries.col.astype(np.int32),
                "weights": entries.data.astype(np.float32),
            },
            directory / WEIGHTS_FILE,
        )


def _chosen(vectors: csr_matrix, positions: np.ndarray) -> csr_matrix:
    """Return the rows with the entries at `positions`, ascending, alone."""
    bounds = np.searchsorted(positions, vectors.indptr)
    return csr_matrix(
        (vectors.data[positions], vectors.indices[positions], bounds), shape=vectors.shape
    )


def read_expansion(directory: Path, vocabulary_size: int) -> DocumentExpansion:
    """Read what `DocumentExpansion.write` wrote; raises `ModelError`, naming the file, if bad."""
    limit = read_json_object(directory / CONFIG_FILE).get("limit")
    if limit is not None and not (type(limit) is int and limit > 0):
        raise ModelError(
            f"{directory / CONFIG_FILE}: limit is {limit!r}; it must be a whole number of at least "
            "1, or null"
        )
    path = directory / WEIGHTS_FILE
    try:
        tensors = load_file(path)
    except FileNotFoundError as error:
        raise ModelError(f"{path} is missing: the model is incomplete, copy it again") from error
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} is no readable safetensors file: copy the model again") from error
    missing = [name for name in ("sources", "targets", "weights") if name not in tensors]
    if missing:
        raise ModelError(f"{path} has no tensor called {missing[0]!r}: it holds no expansion")
    sources, targets, weights = (tensors[name] for name in ("sources", "targets", "weights"))
    if not (sources.ndim == 1 and sources.shape == targets.shape == weights.shape):
        raise ModelError(f"{path} holds lists of unequal length: the model is damaged")
    if not (np.issubdtype(sources.dtype, np.integer) and np.issubdtype(targets.dtype, np.integer)):
        raise ModelError(f"{path} holds word ids that are no integers: the model is damaged")
    for ids in (sources, targets):
        if len(ids) and not (ids.min() >= 0 and ids.max() < vocabulary_size):
            raise ModelError(
                f"{path} names entries beyond the vocabulary of {vocabulary_size}: it belongs to "
                "another model"
            )
    values = weights.astype(np.float32)
    if not (np.isfinite(values).all() and (values > 0).all()):
        raise ModelError(f"{path} holds weights that are no positive numbers: it is damaged")
    shape = (vocabulary_size, vocabulary_size)
    return DocumentExpansion(csr_matrix((values, (sources, targets)), shape=shape), limit)
