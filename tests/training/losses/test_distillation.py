from __future__ import annotations

from typing import Any

import pytest
import torch

from training.losses.distillation import kl_loss, margin_mse_loss

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:sentence_transformers.*"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*"),
]


def vectors(candidates: int) -> tuple[list[torch.Tensor], torch.Tensor, torch.Tensor]:
    """Embeddings in columns, our scores of them, and a teacher's scores: (B, candidates)."""
    generator = torch.Generator().manual_seed(candidates)
    columns = [torch.rand((5, 30), generator=generator) for _ in range(1 + candidates)]
    scores = torch.stack([(columns[0] * each).sum(1) for each in columns[1:]], dim=1)
    return columns, scores, torch.rand((5, candidates), generator=generator) * 8


@pytest.mark.parametrize("candidates", [2, 5])
def test_margin_mse_is_that_of_sentence_transformers(candidates: int) -> None:
    from sentence_transformers.sparse_encoder.losses import SparseMarginMSELoss

    columns, scores, teacher = vectors(candidates)
    model: Any = torch.nn.Identity()
    theirs = SparseMarginMSELoss(model).compute_loss_from_embeddings(columns, teacher)
    assert float(margin_mse_loss(scores, teacher)) == pytest.approx(float(theirs), abs=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_kl_is_that_of_sentence_transformers(temperature: float) -> None:
    from sentence_transformers.sparse_encoder.losses import SparseDistillKLDivLoss

    columns, scores, teacher = vectors(4)
    model: Any = torch.nn.Identity()
    reference = SparseDistillKLDivLoss(model, temperature=temperature)
    theirs = float(reference.compute_loss_from_embeddings(columns, teacher))
    assert float(kl_loss(scores, teacher, temperature=temperature)) == pytest.approx(
        theirs, abs=1e-5
    )


def test_a_mask_is_as_if_the_candidates_were_not_there() -> None:
    _, scores, teacher = vectors(3)
    mask = torch.ones(5, 3, dtype=torch.bool)
    mask[:, 2] = False
    assert torch.allclose(kl_loss(scores, teacher, mask), kl_loss(scores[:, :2], teacher[:, :2]))
    assert torch.allclose(
        margin_mse_loss(scores, teacher, mask), margin_mse_loss(scores[:, :2], teacher[:, :2])
    )


def test_without_negatives_there_is_no_margin() -> None:
    scores = torch.ones((2, 1), requires_grad=True)
    loss = margin_mse_loss(scores, torch.zeros(2, 1))
    assert float(loss.detach()) == 0
    loss.backward()  # type: ignore[no-untyped-call]
