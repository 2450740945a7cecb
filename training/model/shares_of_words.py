"""A model's document expansion while it is trained: what documents give to the words of queries.

Scores in training are then those of the trained model in use, and the words that give weight learn
from queries of the words that take it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csc_matrix

from indexer.model.expansion import DocumentExpansion


@dataclass(frozen=True)
class Givers:
    """What gives weight to some words: other words, and phrases.

    Attributes:
        words: (W,) int64, ascending, all words that it takes to know what is given.
        groups: (G, K) int64, where the words of each giver are in `words`; a giver of fewer than K
            words repeats one of them.
        shares: (G, T) float32, the share of its activation that a giver hands on to a taker.
    """

    words: np.ndarray
    groups: np.ndarray
    shares: np.ndarray


class SharesOfWords:
    """The columns of an expansion's matrix, word by word."""

    def __init__(self, expansion: DocumentExpansion) -> None:
        self._by_taker = csc_matrix(expansion.weights)
        words = np.arange(expansion.weights.shape[1], dtype=np.int64)
        width = expansion.phrases.shape[1]
        # Row by row of the matrix, its words: a word stands for itself, however often it is named.
        self._words = np.concatenate([np.tile(words[:, None], width), expansion.phrases])

    def of(self, takers: np.ndarray) -> Givers:
        """Return what gives weight to `takers` (T,)."""
        columns = self._by_taker[:, takers]
        givers = np.unique(columns.indices)
        words, groups = np.unique(self._words[givers], return_inverse=True)
        shares = columns.tocsr()[givers].toarray().astype(np.float32)
        return Givers(
            words, groups.reshape(len(givers), self._words.shape[1]).astype(np.int64), shares
        )


def expanded(
    takers: torch.Tensor, words: torch.Tensor, groups: torch.Tensor, shares: torch.Tensor
) -> torch.Tensor:
    """Return the weights of the takers (n, T) with what is handed on to them.

    `words` (n, W) are the weights of the words of `Givers`, whose `groups` (G, K) and `shares`
    (G, T) are the others. It is what `DocumentExpansion` does where nothing is cut off, with
    gradient.
    """
    activations = torch.expm1(words)
    least = activations[:, groups[:, 0]]
    for place in range(1, groups.shape[1]):
        least = torch.minimum(least, activations[:, groups[:, place]])
    return torch.log1p(torch.expm1(takers) + least @ shares)
