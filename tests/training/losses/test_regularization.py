from __future__ import annotations

import torch

from training.losses.regularization import flops


def test_sum_of_squared_means() -> None:
    documents = torch.tensor([[1.0, 0.0, 2.0], [3.0, 0.0, 0.0]])
    assert float(flops(documents)) == 4 + 0 + 1


def test_a_sample_estimates_the_whole_without_bias() -> None:
    generator = torch.Generator().manual_seed(0)
    documents = torch.rand((4, 200), generator=generator).square()
    whole = float(flops(documents))
    kept, others, sampled = torch.arange(20), torch.arange(20, 200), 30
    estimates = []
    for _ in range(2000):
        drawn = others[torch.randperm(180, generator=generator)[:sampled]]
        times = torch.cat([torch.ones(20), torch.full((sampled,), 180 / sampled)])
        estimates.append(float(flops(documents[:, torch.cat([kept, drawn])], times)))
    assert abs(sum(estimates) / len(estimates) / whole - 1) < 0.01
