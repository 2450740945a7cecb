"""In-batch cross-entropy: every query is to rank its own document above all others."""

from __future__ import annotations

import torch
from torch.nn import functional


def ranking_loss(scores: torch.Tensor, *, scale: float = 1.0) -> torch.Tensor:
    """Return the mean cross-entropy of each query's own document among all candidates.

    `scores` is (B, C), C >= B: candidate i < B is the document of query i, the others are
    negatives of any query. This is sentence-transformers' SparseMultipleNegativesRankingLoss.
    """
    own = torch.arange(scores.shape[0], device=scores.device)
    return functional.cross_entropy(scores * scale, own)
