"""AdamW with a learning rate for each kind of parameter."""

from __future__ import annotations

from typing import Any

import torch

from training.configuration import Optimizer
from training.model.trainable import TrainableSparseModel

_KEY_BIASES = (".key.bias", ".k_lin.bias")  # of BERT and of DistilBERT


def build_optimizer(model: TrainableSparseModel, configuration: Optimizer) -> torch.optim.AdamW:
    """Return the optimizer; each group keeps its full learning rate as `peak`.

    The biases of attention keys are left as they are. Such a bias adds the same number to every
    score of a query, which the softmax takes away again: its gradient is rounding noise, which
    Adam would scale up to whole steps, different on every machine.
    """
    static, bias = model.static_weights, model.projection.bias
    special = {id(static), id(bias)}
    matrices: list[torch.nn.Parameter] = []
    vectors: list[torch.nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if name.endswith(_KEY_BIASES):
            continue
        if id(parameter) not in special and parameter.requires_grad:
            (matrices if parameter.ndim > 1 else vectors).append(parameter)
    groups: list[dict[str, Any]] = [
        _group(matrices, configuration.learning_rate, configuration.weight_decay),
        _group(vectors, configuration.learning_rate, 0.0),
        _group([static], configuration.static_weights_learning_rate, 0.0),
    ]
    if bias is not None:
        groups.append(_group([bias], configuration.output_bias_learning_rate, 0.0))
    return torch.optim.AdamW(groups, fused=True)


def set_learning_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set every group's learning rate to its full rate times `factor`."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor


def _group(
    parameters: list[torch.nn.Parameter], learning_rate: float, weight_decay: float
) -> dict[str, Any]:
    return {
        "params": parameters,
        "lr": learning_rate,
        "peak": learning_rate,
        "weight_decay": weight_decay,
    }
