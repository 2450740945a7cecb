from __future__ import annotations

import pytest
import torch

from training.model import max_pooling
from training.model.max_pooling import max_pooled_logits


@pytest.mark.parametrize("block", [3, 1000])
def test_values_and_gradients_are_those_of_the_plain_formula(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(max_pooling._BLOCK, "cpu", block)
    monkeypatch.setitem(max_pooling._ENTRIES, "cpu", 7)
    generator = torch.Generator().manual_seed(1)
    states = torch.randn((11, 4), generator=generator, dtype=torch.float64, requires_grad=True)
    weight = torch.randn((10, 4), generator=generator, dtype=torch.float64, requires_grad=True)
    # The third document has one token less than the fourth: it repeats one of its own.
    positions = [torch.tensor([[0, 1, 2], [3, 4, 5]]), torch.tensor([[6, 7, 6], [8, 9, 10]])]

    logits = states @ weight.T
    plain = torch.stack(
        [logits[rows].amax(0) for rows in ([0, 1, 2], [3, 4, 5], [6, 7], [8, 9, 10])]
    )
    pooled = max_pooled_logits(states, weight, positions)
    assert torch.allclose(pooled, plain.float())

    factors = torch.randn(plain.shape, generator=generator, dtype=torch.float64)
    factors[factors < 0] = 0  # as relu does
    expected = torch.autograd.grad((plain * factors).sum(), [states, weight])
    found = torch.autograd.grad((pooled * factors).sum(), [states, weight])
    for one, other in zip(expected, found, strict=True):
        assert torch.allclose(one, other, atol=1e-5)
