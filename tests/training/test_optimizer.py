from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.tiny_runs import sparse_model
from training.configuration import Optimizer
from training.optimizer import build_optimizer, set_learning_rates


def test_every_parameter_has_its_rate(tmp_path: Path) -> None:
    model = sparse_model(tmp_path / "model")
    optimizer = build_optimizer(model, Optimizer(1e-4, 2e-3, 3e-2, weight_decay=0.1))
    rates = {}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            assert id(parameter) not in rates
            rates[id(parameter)] = (group["lr"], group["weight_decay"])
    key_biases = [p for n, p in model.named_parameters() if n.endswith("self.key.bias")]
    assert len(key_biases) == 2
    assert set(rates) == {id(each) for each in model.parameters()} - set(map(id, key_biases))
    assert rates[id(model.static_weights)] == (2e-3, 0)
    assert rates[id(model.projection.bias)] == (3e-2, 0)
    assert rates[id(model.projection.weight)] == (1e-4, 0.1)
    layer_norms = [p for n, p in model.named_parameters() if "LayerNorm" in n]
    assert layer_norms
    assert all(rates[id(parameter)] == (1e-4, 0) for parameter in layer_norms)

    set_learning_rates(optimizer, 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx(
        [0.5e-4, 0.5e-4, 1e-3, 1.5e-2]
    )
