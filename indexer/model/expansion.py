"""Document expansion: words that a document has weights for hand them on to words of like meaning.

A fixed sparse matrix P (V, V) turns the encoder's vector v into v + v P. It is how a rare word that
training hardly ever met, such as a Spanish trade word, is found all the same: it takes weight from
its translations. In cross-language retrieval this is known as probabilistic structured queries
(Darwish and Oard 2003), here applied to documents when they are indexed, so that queries stay as
short as they are.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_matrix

from engine.errors import ModelError

WEIGHTS_FILE = "model.safetensors"


@dataclass(frozen=True)
class DocumentExpansion:
    """The matrix P, (V, V) float32 CSR: row is the word that gives, column the one that takes."""

    weights: csr_matrix

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the matrix."""
        parts = (self.weights.indptr, self.weights.indices, self.weights.data)
        kinds = (np.int64, np.int64, np.float32)
        together = b"".join(
            part.astype(kind).tobytes() for part, kind in zip(parts, kinds, strict=True)
        )
        return hashlib.sha256(together).hexdigest()

    def __call__(self, vectors: csr_matrix) -> csr_matrix:
        """Return `vectors` (n, V) expanded, float32 CSR with sorted indices."""
        expanded = csr_matrix(vectors + vectors @ self.weights, dtype=np.float32)
        expanded.sort_indices()
        return expanded

    def write(self, directory: Path) -> None:
        """Write the matrix into an existing directory, entry by entry in order of the rows."""
        entries = self.weights.tocoo()
        save_file(
            {
                "sources": entries.row.astype(np.int32),
                "targets": entries.col.astype(np.int32),
                "weights": entries.data.astype(np.float32),
            },
            directory / WEIGHTS_FILE,
        )


def read_expansion(directory: Path, vocabulary_size: int) -> DocumentExpansion:
    """Read what `DocumentExpansion.write` wrote; raises `ModelError`, naming the file, if bad."""
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
    return DocumentExpansion(csr_matrix((values, (sources, targets)), shape=shape))
