from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertConfig, BertModel, RobertaConfig, RobertaModel

from engine.errors import ModelError
from tests.indexer.model.tiny_models import (
    LAYOUTS,
    MAX_LENGTH,
    VOCABULARY,
    save_tokenizer,
    static_weights,
    write_model,
)
from tests.training.tiny_runs import write_masked_lm
from training.model.loading import load_encoder, load_trainable

SMALL: Any = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_sparse_model_keeps_its_static_weights(tmp_path: Path, layout: str) -> None:
    model = load_trainable(str(write_model(tmp_path / "model", layout)))
    assert torch.allclose(model.query_weights(), static_weights())
    assert model.max_length == 64  # what its positions allow


@pytest.mark.parametrize("architecture", ["bert", "distilbert"])
def test_a_masked_language_model_starts_with_ones(tmp_path: Path, architecture: str) -> None:
    model = load_trainable(str(write_masked_lm(tmp_path / "model", architecture)), max_length=8)
    assert model.query_weights().tolist() == [1.0] * len(VOCABULARY)
    assert model.max_length == 8
    assert model.vocabulary_size == len(VOCABULARY)


def test_a_plain_encoder_gets_a_head(tmp_path: Path) -> None:
    BertModel(BertConfig(**SMALL), add_pooling_layer=False).save_pretrained(str(tmp_path))
    save_tokenizer(tmp_path, max_length=MAX_LENGTH, truncating=False)
    model = load_trainable(str(tmp_path))
    assert model.document_logits(model.document_tokens(["queen"])).shape == (1, len(VOCABULARY))
    encoder, tokenizer = load_encoder(tmp_path)
    assert encoder.config.hidden_size == 16
    assert tokenizer.model_max_length == MAX_LENGTH


def test_another_encoder_without_a_head_is_refused(tmp_path: Path) -> None:
    RobertaModel(RobertaConfig(**SMALL)).save_pretrained(str(tmp_path))
    save_tokenizer(tmp_path, max_length=MAX_LENGTH, truncating=False)
    with pytest.raises(ModelError, match="neither a complete masked language model nor"):
        load_trainable(str(tmp_path))


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json is missing"):
        load_trainable(str(tmp_path))
    with pytest.raises(ModelError, match="no model directory"):
        load_trainable(str(tmp_path / "nothing"))
    write_masked_lm(tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").rename(tmp_path / "model" / "weights.bin")
    with pytest.raises(ModelError, match="safetensors only"):
        load_trainable(str(tmp_path / "model"))


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    directory = write_masked_lm(tmp_path / "model")
    (directory / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_trainable(str(directory))
    shutil.rmtree(directory)
    directory = write_masked_lm(tmp_path / "model")
    for file in directory.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(ModelError):
        load_trainable(str(directory))


def test_sum_pooling_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="max pooling"):
        load_trainable(str(write_model(tmp_path / "model", pooling="sum")))
