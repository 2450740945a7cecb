"""Distillation: the scores of a teacher as targets for ours."""

from __future__ import annotations

import torch
from torch.nn import functional


def margin_mse_loss(
    scores: torch.Tensor, teacher: torch.Tensor, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the mean squared error of the margins between the document and each negative.

    `scores` and `teacher` are (B, 1 + N): the own document first, then the negatives. `mask`
    (B, 1 + N) is true where there is a candidate; None where all rows have N negatives. This is
    sentence-transformers' SparseMarginMSELoss. Without any negative it is 0.
    """
    ours = scores[:, :1] - scores[:, 1:]
    theirs = teacher[:, :1] - teacher[:, 1:]
    errors = (ours - theirs).square()
    if mask is not None:
        errors = errors[mask[:, 1:]]
    return errors.mean() if errors.numel() else errors.sum()


def kl_loss(
    scores: torch.Tensor,
    teacher: torch.Tensor,
    mask: torch.Tensor | None = None,
    *,
    temperature: float = 1.0,
) -> torch.Tensor:
    """Return KL(teacher || ours) over the candidates of each query, averaged over the queries.

    `scores` and `teacher` are (B, C), softmax is taken over the C candidates at `temperature`, and
    the result multiplied by its square. `mask` (B, C) is true where there is a candidate. This is
    sentence-transformers' SparseDistillKLDivLoss.
    """
    ours, theirs = scores / temperature, teacher / temperature
    if mask is not None:
        # A number so low that softmax makes it 0, yet finite: 0 x infinity would be no number.
        ours, theirs = ours.masked_fill(~mask, -1e9), theirs.masked_fill(~mask, -1e9)
    divergence = functional.kl_div(
        ours.log_softmax(dim=1), theirs.softmax(dim=1), reduction="batchmean"
    )
    return divergence * temperature**2
