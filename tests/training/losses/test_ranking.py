from __future__ import annotations

import math

import torch

from training.losses.ranking import ranking_loss


def test_the_own_document_against_all_candidates() -> None:
    scores = torch.tensor([[2.0, 0.0, 1.0], [0.0, 3.0, 0.0]])
    first = -2 + math.log(math.exp(2) + 1 + math.e)
    second = -3 + math.log(math.exp(3) + 2)
    assert math.isclose(float(ranking_loss(scores)), (first + second) / 2, rel_tol=1e-6)


def test_the_scale_multiplies_the_scores() -> None:
    scores = torch.randn(3, 5)
    assert torch.equal(ranking_loss(scores, scale=2.0), ranking_loss(scores * 2))
