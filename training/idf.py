"""Inverse document frequencies of tokens among the training queries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.configuration import Source
from training.data.example import Example
from training.model.trainable import TrainableSparseModel

_CHUNK = 10_000


def query_idf(
    model: TrainableSparseModel, sources: Sequence[Source], examples: Sequence[Sequence[Example]]
) -> np.ndarray:
    """Return `log((1 + n) / (1 + df))` of each token, (V,) float32.

    n is the number of training queries, df how many of them have the token; a source counts by its
    share of the batches, not by its size. A token that no query has gets log(1 + n), as rare as
    any.
    """
    total = sum(source.weight for source in sources)
    count = sum(len(each) for each in examples)
    frequency = np.zeros(model.vocabulary_size)
    for source, rows in zip(sources, examples, strict=True):
        found = np.zeros(model.vocabulary_size)
        queries = [row.query for row in rows]
        for start in range(0, len(queries), _CHUNK):
            ids = model.query_tokens(queries[start : start + _CHUNK])
            found += np.bincount(np.concatenate(ids), minlength=model.vocabulary_size)
        frequency += found / len(rows) * source.weight / total * count
    idf: np.ndarray = np.log((1 + count) / (1 + frequency)).astype(np.float32)
    return idf
