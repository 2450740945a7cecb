"""Seeded synthetic collections that look like the output of a learned sparse model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Query = tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]

# Documents are drawn in chunks, each from its own random stream: a collection of 10,000 documents
# is the beginning of that of a million, and memory stays bounded.
CHUNK_DOCUMENTS = 4096
# Share of a document's draws that come from the background; the rest comes from its topics.
_BACKGROUND_SHARE = 0.45
# The width at which _HEAD below holds; it grows in proportion.
_USUAL_DIMENSIONS = 150
# Background frequency of the term of rank r, from 0: (r + _HEAD) ** -_DECAY, a Zipf-Mandelbrot law.
_HEAD, _DECAY = 20.0, 1.0
# A topic prefers some terms, its r-th with frequency (r + _TOPIC_HEAD) ** -1; a term is among them
# with odds of its background frequency ** _TOPIC_POWER.
_TOPIC_TERMS, _TOPIC_HEAD, _TOPIC_POWER = 2_000, 100.0, 0.7
# Weights: gamma with this shape and mean, as the default model gives real product titles.
_WEIGHT_SHAPE, _WEIGHT_MEAN = 1.0, 0.5
_SMALLEST_WEIGHT, _LARGEST_WEIGHT = 0.004, 3.0
# How document lengths vary: standard deviation of their logarithm.
_LENGTH_SPREAD = 0.45
# A term of document frequency f is asked for with odds of f ** -_RARITY among a document's terms.
_RARITY = 0.15
_DOCUMENTS_STREAM, _QUERIES_STREAM, _SHAPE_STREAM, _PILOT_STREAM = range(4)


class CsrRows(NamedTuple):
    """Document vectors as the rows of a CSR matrix; terms ascend within a row.

    Attributes:
        indptr: (N + 1,) int64.
        indices: (nnz,) int32, the terms.
        data: (nnz,) float32, positive weights.
    """

    indptr: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int32]
    data: npt.NDArray[np.float32]

    @property
    def documents(self) -> int:
        """How many rows there are."""
        return len(self.indptr) - 1

    @property
    def bytes(self) -> int:
        """What the three arrays take in memory."""
        return self.indptr.nbytes + self.indices.nbytes + self.data.nbytes

    def rows(self, first: int, last: int) -> CsrRows:
        """Rows `first` to `last` (exclusive), as views but for `indptr`."""
        low, high = int(self.indptr[first]), int(self.indptr[last])
        return CsrRows(
            self.indptr[first : last + 1] - low, self.indices[low:high], self.data[low:high]
        )

    def save(self, folder: Path) -> None:
        """Write three `.npy` files, for `open_rows`."""
        np.save(folder / "indptr.npy", self.indptr)
        np.save(folder / "indices.npy", self.indices)
        np.save(folder / "data.npy", self.data)


def open_rows(folder: Path) -> CsrRows:
    """Memory-map what `CsrRows.save` wrote."""
    return CsrRows(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in CsrRows._fields))


@dataclass(frozen=True, slots=True)
class CollectionShape:
    """What a collection looks like. `active_dimensions` is the mean over documents."""

    active_dimensions: int = 150
    vocabulary_size: int = 30_522
    topics: int = 400
    seed: int = 0


class SyntheticCollection:
    """A source of documents and queries; the same shape gives the same ones.

    A document mixes a background Zipf-Mandelbrot distribution over the vocabulary with one to three
    topics, each a preference for some terms. A query is a few terms of another document of the same
    source, rarer ones more often, with one static weight a term that falls with its frequency.

    Attributes:
        shape: what was asked for.
        static_weights: (V,) float64, the weight of a term in any query.
    """

    def __init__(self, shape: CollectionShape) -> None:
        self.shape = shape
        random = self._random(_SHAPE_STREAM)
        size = shape.vocabulary_size
        # Wider documents flatten the head, or else its terms would be in nearly all of them.
        width = shape.active_dimensions / _USUAL_DIMENSIONS
        frequencies = np.power(np.arange(size) + _HEAD * width, -_DECAY, dtype=np.float64)
        # Ranks are dealt to term numbers at random, as in a real vocabulary.
        frequencies = frequencies[random.permutation(size)]
        self._background = _cumulative(frequencies)
        preferred = min(_TOPIC_TERMS, size)
        self._topic_ranks = _cumulative(
            np.reciprocal(np.arange(preferred, dtype=np.float64) + _TOPIC_HEAD)
        )
        # A power below 1 lets frequent terms into many topics, and yet gives each its own.
        chances = frequencies**_TOPIC_POWER
        self._topic_terms = np.stack(
            [_weighted_sample(chances, preferred, random) for _ in range(shape.topics)]
        ).astype(np.int32)
        self._draws = self._calibrate()
        pilot = self._rows(self._random(_PILOT_STREAM), CHUNK_DOCUMENTS)
        counts = np.bincount(pilot.indices, minlength=size)
        self._frequencies = np.maximum(counts, 0.5) / CHUNK_DOCUMENTS
        weights = 1.05 - 0.09 * np.log(self._frequencies / 0.02) + random.normal(0.0, 0.18, size)
        self.static_weights = np.clip(weights, 0.2, 1.8)

    def chunks(self, documents: int) -> Iterator[CsrRows]:
        """Draw the first `documents` documents, at most `CHUNK_DOCUMENTS` at a time."""
        for number, first in enumerate(range(0, documents, CHUNK_DOCUMENTS)):
            chunk = self._rows(self._random(_DOCUMENTS_STREAM, number), CHUNK_DOCUMENTS)
            yield chunk.rows(0, min(CHUNK_DOCUMENTS, documents - first))

    def documents(self, documents: int) -> CsrRows:
        """The first `documents` documents as one matrix."""
        chunks = list(self.chunks(documents))
        lengths = [np.diff(chunk.indptr) for chunk in chunks]
        indptr = np.zeros(documents + 1, np.int64)
        if chunks:
            np.cumsum(np.concatenate(lengths), out=indptr[1:])
        return CsrRows(
            indptr,
            np.concatenate([np.empty(0, np.int32), *(chunk.indices for chunk in chunks)]),
            np.concatenate([np.empty(0, np.float32), *(chunk.data for chunk in chunks)]),
        )

    def queries(self, count: int, mean_terms: int) -> list[Query]:
        """Draw queries.

        Args:
            count: how many.
            mean_terms: terms a query has on average; they vary by a Poisson distribution, and a
                query has at least one and no more than the document that it comes from.

        Returns:
            (terms, weights) of each: int32, ascending, and float64.
        """
        random = self._random(_QUERIES_STREAM, mean_terms)
        sources = self._rows(random, count)
        wanted = 1 + random.poisson(mean_terms - 1, count)
        # The smallest of exponential variables over the odds: a weighted sample, none twice.
        ranks = random.exponential(size=len(sources.indices))
        ranks *= self._frequencies[sources.indices] ** _RARITY
        queries = []
        for at in range(count):
            low, high = sources.indptr[at], sources.indptr[at + 1]
            chosen = np.argsort(ranks[low:high])[: wanted[at]]
            terms = np.sort(sources.indices[low:high][chosen])
            queries.append((terms, self.static_weights[terms]))
        return queries

    def _random(self, *stream: int) -> np.random.Generator:
        return np.random.default_rng([self.shape.seed, *stream])

    def _rows(self, random: np.random.Generator, documents: int) -> CsrRows:
        """Draw documents; a term drawn twice by a document counts once."""
        lengths = random.normal(-(_LENGTH_SPREAD**2) / 2, _LENGTH_SPREAD, documents)
        draws = np.maximum(np.exp(lengths) * self._draws, 1.0).astype(np.int64)
        document = np.repeat(np.arange(documents), draws)
        total = len(document)
        terms = np.searchsorted(self._background, random.random(total))
        topical = np.flatnonzero(random.random(total) >= _BACKGROUND_SHARE)
        topics = random.integers(0, self.shape.topics, (documents, 3))
        topic_count = random.integers(1, 4, documents)
        owner = document[topical]
        choice = (random.random(len(topical)) * topic_count[owner]).astype(np.int64)
        rank = np.searchsorted(self._topic_ranks, random.random(len(topical)))
        terms[topical] = self._topic_terms[topics[owner, choice], rank]
        cells = document * self.shape.vocabulary_size + terms
        cells.sort()
        cells = cells[np.diff(cells, prepend=-1) > 0]
        row, term = np.divmod(cells, self.shape.vocabulary_size)
        indptr = np.zeros(documents + 1, np.int64)
        np.cumsum(np.bincount(row, minlength=documents), out=indptr[1:])
        weights = random.gamma(_WEIGHT_SHAPE, _WEIGHT_MEAN / _WEIGHT_SHAPE, len(cells))
        data = np.clip(weights, _SMALLEST_WEIGHT, _LARGEST_WEIGHT).astype(np.float32)
        return CsrRows(indptr, term.astype(np.int32), data)

    def _calibrate(self) -> float:
        """Mean draws a document needs to end up with the active dimensions asked for."""
        target = float(self.shape.active_dimensions)
        self._draws = target
        for _ in range(6):
            pilot = self._rows(self._random(_PILOT_STREAM), 1024)
            self._draws *= (target * pilot.documents / len(pilot.indices)) ** 1.2
        return self._draws


def _cumulative(frequencies: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Cumulative distribution without its last value: `searchsorted` of [0, 1) gives terms."""
    cumulative: npt.NDArray[np.float64] = np.cumsum(frequencies)[:-1] / frequencies.sum()
    return cumulative


def _weighted_sample(
    chances: npt.NDArray[np.float64], count: int, random: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Sample `count` positions without replacement, likelier ones earlier on average."""
    ranks = random.exponential(size=len(chances)) / chances
    nearest = np.argpartition(ranks, count - 1)[:count]
    sample: npt.NDArray[np.int64] = nearest[np.argsort(ranks[nearest])]
    return sample
