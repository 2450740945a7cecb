from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from engine.errors import UsageError
from training import configuration
from training.configuration import (
    Checkpoints,
    Dev,
    DevCollection,
    Losses,
    Optimizer,
    Recipe,
    Source,
)

PARTS = [
    getattr(configuration, name)
    for name in ("Source", "Optimizer", "Losses", "Teacher", "StaticWeights", "DevCollection")
] + [Dev, Checkpoints, configuration.Mining, Recipe]


@pytest.mark.parametrize("part", PARTS)
def test_every_value_is_documented(part: Any) -> None:
    told = part.__doc__ or ""
    for field in fields(part):
        if field.name in ("sources", "optimizer", "losses", "dev", "mining", "checkpoints"):
            continue
        if part is Recipe and field.name in ("teacher", "static_weights"):
            continue
        assert f"        {field.name}: " in told, field.name


BAD: list[tuple[dict[str, Any], str]] = [
    ({"dtype": "float64"}, "dtype is 'float64'"),
    ({"device": "tpu"}, "use auto, cpu, cuda"),
    ({"save_dtype": "int8"}, "save_dtype"),
    ({"batch_size": 0}, "batch_size is 0: it must be 1 or more"),
    ({"gradient_accumulation": 0}, "gradient_accumulation"),
    ({"max_length": 2}, "max_length is 2"),
    ({"dropout": 1.0}, "dropout"),
    ({"steps": -1}, "steps"),
    ({"epochs": 0.0}, "epochs"),
    ({"seed": -1}, "seed"),
    ({"optimizer": Optimizer(warmup=1.5)}, "warmup is 1.5: it is a share"),
    ({"optimizer": Optimizer(learning_rate=-1)}, "learning_rate is -1"),
    ({"losses": Losses(flops=-1)}, "flops is -1"),
    ({"losses": Losses(kl_temperature=0)}, "kl_temperature"),
    ({"sources": (Source(("a",), weight=0),)}, "weight of a source"),
    ({"sources": (Source(()),)}, "a source has no paths"),
    ({"dev": Dev((DevCollection("a", split="x"),))}, "split is 'x'"),
    ({"dev": Dev(every=0)}, "dev.every"),
    ({"losses": Losses(ranking=0, bag_of_words=0, flops=0, teacher=0)}, "every loss is 0"),
    ({"optimizer": Optimizer(learning_rate=float("nan"))}, "learning_rate is nan"),
]


@pytest.mark.parametrize(("values", "said"), BAD, ids=[said for _, said in BAD])
def test_nonsense_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        Recipe(**values)
    assert said in str(caught.value)


def test_the_identity_is_what_decides_the_model() -> None:
    recipe = Recipe(sources=(Source(("a.jsonl",)),))
    moved = Recipe(
        name="other",
        device="cpu",
        checkpoints=Checkpoints(every_steps=3),
        sources=(Source(("b.jsonl",)),),
    )
    assert recipe.identity() == moved.identity()
    assert recipe.identity() != Recipe(seed=1, sources=recipe.sources).identity()
