"""A model's document expansion while it is trained: what documents give to the words of queries.

Scores in training are then those of the trained model in use, and the words that give weight learn
from queries of the words that take it.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import csc_matrix

from indexer.model.expansion import DocumentExpansion


class SharesOfWords:
    """The columns of an expansion's matrix, word by word."""

    def __init__(self, expansion: DocumentExpansion) -> None:
        self._by_taker = csc_matrix(expansion.weights)

    def of(self, takers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which words give weight to `takers` (T,), (G,) int64 ascending, and how much.

        The latter is (G, T) float32, the share of its activation that a giver hands on to a taker.
        """
        columns = self._by_taker[:, takers]
        givers = np.unique(columns.indices)
        return givers.astype(np.int64), columns.tocsr()[givers].toarray().astype(np.float32)


def expanded(takers: torch.Tensor, givers: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """Return the weights of the takers (n, T) with what the givers (n, G) hand on to them.

    `shares` is (G, T). It is what `DocumentExpansion` does where nothing is cut off, with gradient.
    """
    return torch.log1p(torch.expm1(takers) + torch.expm1(givers) @ shares)
