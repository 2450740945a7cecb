from __future__ import annotations

import math

import pytest
import torch

from training.losses.bag_of_words import bag_of_words_loss


def test_present_words_count_more() -> None:
    logits = torch.tensor([[0.0, 0.0], [0.0, 0.0]])
    presence = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    loss = bag_of_words_loss(logits, presence, positive_weight=8.0)
    assert float(loss) == pytest.approx(math.log(2) * (8 + 3) / 4)


def test_without_any_token_there_is_no_loss() -> None:
    assert float(bag_of_words_loss(torch.zeros(2, 0), torch.zeros(2, 0))) == 0


def test_a_dead_token_gets_a_gradient() -> None:
    logits = torch.tensor([[-5.0]], requires_grad=True)
    bag_of_words_loss(logits, torch.ones(1, 1)).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert float(logits.grad) < -1
