from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from training.schedule import learning_rate_factor, ramp_factor

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:sentence_transformers.*"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*"),
]


@pytest.mark.parametrize(("steps", "warmup"), [(20, 0.1), (7, 0.2), (3, 0.0), (10, 1.0)])
def test_learning_rates_are_scheduled_as_in_transformers(steps: int, warmup: float) -> None:
    import transformers.optimization

    rising = math.ceil(steps * warmup)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule: Any = transformers.optimization
    schedule = schedule.get_linear_schedule_with_warmup(optimizer, rising, steps)
    for step in range(steps):
        assert learning_rate_factor(step, steps, warmup) == pytest.approx(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize("steps", [30, 10, 2])
def test_the_ramp_is_that_of_sentence_transformers(steps: int) -> None:
    from sentence_transformers.sparse_encoder.callbacks import (
        SpladeRegularizerWeightSchedulerCallback,
    )
    from sentence_transformers.sparse_encoder.losses import SpladeLoss

    inner = SimpleNamespace(compute_loss_from_embeddings=None)
    model: Any = torch.nn.Identity()
    loss = SpladeLoss(model, inner, document_regularizer_weight=2.0, query_regularizer_weight=0)  # type: ignore[arg-type]
    callback: Any = SpladeRegularizerWeightSchedulerCallback(loss)
    state: Any = SimpleNamespace(max_steps=steps, global_step=0)
    callback.on_train_begin(None, state, None)
    for step in range(steps):
        state.global_step = step
        callback.on_step_begin(None, state, None)
        assert ramp_factor(step, steps, 1 / 3) * 2 == pytest.approx(
            loss.document_regularizer_weight
        )


def test_no_ramp() -> None:
    assert ramp_factor(0, 10, 0.0) == 1.0
