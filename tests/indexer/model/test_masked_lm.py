from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    ModernBertConfig,
    ModernBertForMaskedLM,
    RobertaConfig,
    RobertaForMaskedLM,
)

from indexer.model.masked_lm import load_masked_lm
from indexer.model.pooling import PoolingConfig, TokenGroup, VocabularyHead

SIZES: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 40,
}
MODERN_IDS: dict[str, Any] = {
    f"{name}_token_id": i for i, name in enumerate(("pad", "bos", "eos", "cls", "sep"))
}


@pytest.mark.parametrize(
    ("model", "position_limit"),
    [
        (lambda: RobertaForMaskedLM(RobertaConfig(**SIZES)), 38),  # two before the first position
        (lambda: ModernBertForMaskedLM(ModernBertConfig(**SIZES, **MODERN_IDS)), None),
    ],
)
def test_projection_comes_off(tmp_path: Path, model: Any, position_limit: int | None) -> None:
    torch.manual_seed(0)
    whole = model().eval()
    whole.save_pretrained(str(tmp_path))
    loaded = load_masked_lm(tmp_path)
    assert loaded.position_limit == position_limit
    assert loaded.vocabulary_size == 50
    assert loaded.weight is not None
    ids = torch.randint(5, 50, (3, 7))
    with torch.inference_mode():
        expected = whole(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.flatten(0, 1)
        logits = torch.nn.functional.linear(loaded.states(ids), loaded.weight, loaded.bias)
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("strategy", ["max", "sum"])
@pytest.mark.parametrize("activation", ["relu", "log1p_relu"])
@pytest.mark.parametrize("block_size", [1, 7, 64])
def test_pooling_by_blocks(strategy: str, activation: str, block_size: int) -> None:
    generator = torch.Generator().manual_seed(1)
    states = torch.randn(11, 4, generator=generator)
    weight, bias = torch.randn(20, 4, generator=generator), torch.randn(20, generator=generator)
    groups = [TokenGroup(2, 3), TokenGroup(1, 5)]
    logits = states @ weight.T + bias
    each = torch.log1p(torch.relu(logits))
    each = torch.log1p(each) if activation == "log1p_relu" else each
    documents = [each[0:3], each[3:6], each[6:11]]
    expected = torch.stack([d.amax(0) if strategy == "max" else d.sum(0) for d in documents])

    config = PoolingConfig(strategy, activation)
    for head, inputs in (
        (VocabularyHead(weight, bias, config, block_size=block_size), states),
        (VocabularyHead(None, None, config, block_size=block_size), logits),
    ):
        pooled = head.pool(inputs, groups)
        assert torch.equal(pooled > 0, expected > 0)
        torch.testing.assert_close(head.activate(pooled.clamp(min=0)), expected)
