"""The FLOPS regularizer: documents are to be sparse, and their dimensions evenly used."""

from __future__ import annotations

import torch


def flops(documents: torch.Tensor, multiplicity: torch.Tensor | None = None) -> torch.Tensor:
    """Return the sum over the vocabulary of the squared mean weight.

    `documents` is (n, W), weights over the whole vocabulary or a sample of it. For a sample,
    `multiplicity` (W,) says for how many entries of the vocabulary each column stands, which makes
    the result an unbiased estimate.
    """
    squares = documents.mean(dim=0).square()
    return squares.sum() if multiplicity is None else (squares * multiplicity).sum()
