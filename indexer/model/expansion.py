"""Document expansion: words that a document has weights for hand them on to words of like meaning.

A weight is the logarithm of one more than an activation a (SPLADE's `log1p(relu(logit))`). A fixed
sparse matrix P turns a into a + g P, and the weight into the logarithm of that: added up as
weights, words with several translations would get twice what a word can get from the encoder, and
decide a query alone. What gives, g, are the activations of all words and those of phrases. A phrase
has the least of its words', so that "garbage disposal" gives nothing to "triturador" where only one
of the two is meant.

Only words that P gives to change, and only they compete for the places that they have among the
largest entries of a document: nothing else is pushed out, and a query of other words is answered as
it was before. Where they are more than the places, a priority of each, such as how often queries
ask for it, says which of them are worth one.

It is how a rare word that training hardly ever met, such as a Spanish trade word, is found all the
same: it takes weight from its translations. In cross-language retrieval this is known as
probabilistic structured queries (Darwish and Oard 2003), here applied to documents when they are
indexed, so that queries stay as short as they are.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
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
# What the entries are shares of. Those of weights, as an earlier version had it, are another thing.
_SHARES_OF = "activations"


def _no_phrases() -> np.ndarray:
    return np.empty((0, 1), dtype=np.int64)


@dataclass(frozen=True, eq=False)
class DocumentExpansion:
    """The matrix P, how many entries a document keeps, and which of them come first.

    Attributes:
        weights: P, (V + N, V) float32 CSR: row is the word that gives, or behind the V words the
            phrase, column the word that takes, the entry the share of its activation.
        limit: so many entries of a document are kept; None for all.
        phrases: (N, K) int64, the words of each phrase; shorter ones repeat one of theirs.
        priorities: (V,) float32, above 0, or None for the same of all: among the words that take,
            those keep a place whose weight times this is largest. Weights stay as they are.
    """

    weights: csr_matrix
    limit: int | None = None
    phrases: np.ndarray = field(default_factory=_no_phrases)
    priorities: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Raise `ValueError` for a limit below 1, priorities of 0, or what does not fit P."""
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit is {self.limit}; it must be at least 1, or None")
        givers, words = self.weights.shape
        shape = self.phrases.shape
        if len(shape) != 2 or not shape[1] or givers != words + shape[0]:
            raise ValueError(
                f"weights {self.weights.shape} and phrases {shape} do not fit: "
                "(V + N, V) and (N, K) are wanted"
            )
        if not np.issubdtype(self.phrases.dtype, np.integer):
            raise ValueError(f"phrases are of the type {self.phrases.dtype}, not of integers")
        if self.phrases.size and not 0 <= self.phrases.min() <= self.phrases.max() < words:
            raise ValueError(f"phrases name entries beyond the vocabulary of {words}")
        if self.priorities is not None:
            if self.priorities.shape != (words,) or self.priorities.dtype != np.float32:
                raise ValueError(
                    f"priorities are {self.priorities.dtype} {self.priorities.shape}: "
                    f"float32 ({words},) is wanted"
                )
            if not (np.isfinite(self.priorities).all() and (self.priorities > 0).all()):
                raise ValueError("priorities must be finite numbers above 0")

    @property
    def words(self) -> int:
        """How many words take weight from others."""
        return int(self._takes.sum())

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of matrix, limit, phrases and priorities, and what the shares are of."""
        parts = [self.weights.indptr, self.weights.indices, self.weights.data]
        kinds = [np.int64, np.int64, np.float32]
        digest = hashlib.sha256(f"{_SHARES_OF} {self.limit}".encode())
        if len(self.phrases):
            digest.update(f" {self.phrases.shape}".encode())
            parts.append(self.phrases)
            kinds.append(np.int64)
        if self.priorities is not None:
            digest.update(b" priorities")
            parts.append(self.priorities)
            kinds.append(np.float32)
        for part, kind in zip(parts, kinds, strict=True):
            digest.update(part.astype(kind).tobytes())
        return digest.hexdigest()

    def __call__(self, vectors: csr_matrix) -> csr_matrix:
        """Return `vectors` (n, V) expanded, float32 CSR with sorted indices.

        With a limit, entries that take nothing from others are those that would be kept of the
        unexpanded vector; the rest of the places go to those that take, by weight and priority.
        """
        vectors = csr_matrix(vectors, dtype=np.float32)
        if not vectors.has_sorted_indices:
            vectors = vectors.sorted_indices()
        if self.limit is None:
            own = np.arange(vectors.nnz)
        else:
            own = largest_positions(vectors.indices, vectors.data, vectors.indptr, self.limit)
        kept = _chosen(vectors, own[~self._takes[vectors.indices[own]]])
        candidates = csr_matrix(kept + self._taken(vectors), dtype=np.float32)
        candidates.sort_indices()
        if self.limit is None:
            return candidates
        worth = candidates.data
        if self.priorities is not None:
            # In double precision, in which no product of two floats is infinite.
            worth = worth * self.priorities[candidates.indices].astype(np.float64)
        # What stays anyway comes before all that takes.
        order = np.where(self._takes[candidates.indices], worth, np.inf)
        chosen = largest_positions(candidates.indices, order, candidates.indptr, self.limit)
        return _chosen(candidates, chosen)

    def _taken(self, vectors: csr_matrix) -> csr_matrix:
        """Return the entries (n, V) that take weight, with what they have and what they are given.

        In double precision, so that rounding does not depend on the documents of the batch.
        """
        activations = csr_matrix(vectors, dtype=np.float64)
        activations.data = np.expm1(activations.data)
        own = _chosen(activations, np.flatnonzero(self._takes[vectors.indices]))
        of_words, of_phrases = self._shares
        taken = own + activations @ of_words
        if len(self.phrases):
            phrases, least = self._phrases_of(activations)
            taken = taken + least @ of_phrases[phrases]
        taken = csr_matrix(taken)
        return csr_matrix((np.log1p(taken.data), taken.indices, taken.indptr), shape=taken.shape)

    def _phrases_of(self, activations: csr_matrix) -> tuple[np.ndarray, csr_matrix]:
        """Return which phrases (P,) may be in documents (n, V), and their activations (n, P)."""
        met = np.zeros(activations.shape[1], dtype=np.bool_)
        met[activations.indices] = True
        phrases = np.flatnonzero(met[self.phrases].all(axis=1))
        by_word = activations.tocsc()
        least = by_word[:, self.phrases[phrases, 0]]
        for words in self.phrases[phrases].T[1:]:
            least = least.minimum(by_word[:, words])
        return phrases, csr_matrix(least)

    @cached_property
    def _shares(self) -> tuple[csr_matrix, csr_matrix]:
        """P in double precision, what words give (V, V) and what phrases give (N, V)."""
        shares = self.weights.astype(np.float64)
        words = shares.shape[1]
        return shares[:words], shares[words:]

    @cached_property
    def _takes(self) -> np.ndarray:
        """Which entries take weight from others, (V,) bool."""
        takes = np.zeros(self.weights.shape[1], dtype=np.bool_)
        takes[self.weights.indices] = True
        return takes

    def write(self, directory: Path) -> None:
        """Write the matrix, entry by entry in order of its rows, and the rest to a directory."""
        entries = self.weights.tocoo()
        settings = {
            "vocabulary_size": self.weights.shape[1],
            "limit": self.limit,
            "shares_of": _SHARES_OF,
        }
        (directory / CONFIG_FILE).write_text(json.dumps(settings, indent=4), encoding="utf-8")
        # Half as long for a vocabulary of 65,536 at most.
        word = np.min_scalar_type(self.weights.shape[1] - 1)
        tensors = {
            "sources": entries.row.astype(np.int32),
            "targets": entries.col.astype(word),
            "weights": entries.data.astype(np.float32),
        }
        if len(self.phrases):
            tensors["phrases"] = self.phrases.astype(word, order="C")
        if self.priorities is not None:
            tensors["priorities"] = np.ascontiguousarray(self.priorities)
        save_file(tensors, directory / WEIGHTS_FILE)


def _chosen(vectors: csr_matrix, positions: np.ndarray) -> csr_matrix:
    """Return the rows with the entries at `positions`, ascending, alone."""
    bounds = np.searchsorted(positions, vectors.indptr)
    return csr_matrix(
        (vectors.data[positions], vectors.indices[positions], bounds), shape=vectors.shape
    )


def read_expansion(directory: Path, vocabulary_size: int) -> DocumentExpansion:
    """Read what `DocumentExpansion.write` wrote; raises `ModelError`, naming the file, if bad."""
    limit = _read_limit(directory / CONFIG_FILE, vocabulary_size)
    path = directory / WEIGHTS_FILE
    try:
        tensors = load_file(path)
    except FileNotFoundError as error:
        raise ModelError(f"{path} is missing: the model is incomplete, copy it again") from error
    # The last two are what safetensors raises for types that numpy does not have.
    except (OSError, SafetensorError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} is no readable safetensors file: copy the model again") from error
    missing = [name for name in ("sources", "targets", "weights") if name not in tensors]
    if missing:
        raise ModelError(f"{path} has no tensor called {missing[0]!r}: it holds no expansion")
    sources, targets, weights = (tensors[name] for name in ("sources", "targets", "weights"))
    phrases = tensors.get("phrases", _no_phrases())
    if phrases.ndim != 2 or not phrases.shape[1]:
        raise ModelError(f"{path} holds phrases that are no table of words: the model is damaged")
    if not (sources.ndim == 1 and sources.shape == targets.shape == weights.shape):
        raise ModelError(f"{path} holds lists of unequal length: the model is damaged")
    if not all(np.issubdtype(ids.dtype, np.integer) for ids in (sources, targets, phrases)):
        raise ModelError(f"{path} holds word ids that are no integers: the model is damaged")
    givers = vocabulary_size + len(phrases)
    for ids, size in ((sources, givers), (targets, vocabulary_size), (phrases, vocabulary_size)):
        if ids.size and not (ids.min() >= 0 and ids.max() < size):
            raise ModelError(
                f"{path} names entries beyond the vocabulary of {vocabulary_size}: it belongs to "
                "another model"
            )
    if not np.issubdtype(weights.dtype, np.floating):
        raise ModelError(f"{path} holds weights of the type {weights.dtype}: it is damaged")
    values = weights.astype(np.float32)
    if not (np.isfinite(values).all() and (values > 0).all()):
        raise ModelError(f"{path} holds weights that are no positive numbers: it is damaged")
    matrix = csr_matrix((values, (sources, targets)), shape=(givers, vocabulary_size))
    if matrix.nnz != len(values):
        raise ModelError(f"{path} names a pair of words twice: the model is damaged")
    priorities = tensors.get("priorities")
    try:
        return DocumentExpansion(matrix, limit, phrases.astype(np.int64), priorities)
    except ValueError as error:
        raise ModelError(f"{path}: {error}: the model is damaged") from error


def _read_limit(path: Path, vocabulary_size: int) -> int | None:
    settings = read_json_object(path)
    if settings.get("shares_of") != _SHARES_OF:
        raise ModelError(
            f"{path}: shares_of is {settings.get('shares_of')!r}, not {_SHARES_OF!r}: another "
            "version wrote the expansion; teach the model again"
        )
    if settings.get("vocabulary_size") != vocabulary_size:
        raise ModelError(
            f"{path}: vocabulary_size is {settings.get('vocabulary_size')!r}, that of the model "
            f"{vocabulary_size}: it belongs to another model"
        )
    limit = settings.get("limit", False)
    if limit is not None and not (type(limit) is int and limit > 0):
        raise ModelError(
            f"{path}: limit is {settings.get('limit')!r}; it must be a whole number of at least "
            "1, or null"
        )
    return limit
