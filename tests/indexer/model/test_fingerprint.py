from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from indexer.model import SparseModel
from tests.indexer.model.tiny_models import VOCABULARY, write_json, write_model

QUERY = "query_0_SparseStaticEmbedding"
DOCUMENT = "document_0_Transformer"


def fingerprint(root: Path) -> str:
    return SparseModel.load(root).fingerprint


def test_a_copy_has_the_same_fingerprint(tmp_path: Path) -> None:
    root = write_model(tmp_path / "model")
    first = fingerprint(root)
    assert len(first) == 64
    assert fingerprint(Path(shutil.copytree(root, tmp_path / "copy"))) == first


def test_truncation_and_padding_settings_do_not_matter(tmp_path: Path) -> None:
    root = write_model(tmp_path / "model")
    first = fingerprint(root)
    path = root / QUERY / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["truncation"] is not None
    write_json(path, {**content, "truncation": None, "padding": None})
    assert fingerprint(root) == first


def change_static_weights(root: Path) -> None:
    save_file({"weight": torch.ones(len(VOCABULARY))}, str(root / QUERY / "model.safetensors"))


def change_document_weights(root: Path) -> None:
    path = root / DOCUMENT / "model.safetensors"
    tensors = load_file(path)
    tensors["cls.predictions.bias"] += 1e-3
    save_file(tensors, str(path), metadata={"format": "pt"})


def change_query_tokenizer(root: Path) -> None:
    path = root / QUERY / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["normalizer"]["strip_accents"] = False
    write_json(path, content)


def change_pooling(root: Path) -> None:
    write_json(root / "document_1_SpladePooling" / "config.json", {"pooling_strategy": "sum"})


def change_activation(root: Path) -> None:
    path = root / "document_1_SpladePooling" / "config.json"
    write_json(path, {"activation_function": "log1p_relu"})


def change_max_length(root: Path) -> None:
    path = root / DOCUMENT / "sentence_bert_config.json"
    write_json(path, {**json.loads(path.read_text()), "max_seq_length": 9})


def change_max_active_dims(root: Path) -> None:
    path = root / "config_sentence_transformers.json"
    settings = json.loads(path.read_text()) if path.exists() else {}
    write_json(path, {**settings, "max_active_dims": 5})


def change_hidden_activation(root: Path) -> None:
    path = root / DOCUMENT / "config.json"
    write_json(path, {**json.loads(path.read_text()), "hidden_act": "relu"})


@pytest.mark.parametrize(
    "change",
    [
        change_static_weights,
        change_document_weights,
        change_query_tokenizer,
        change_pooling,
        change_activation,
        change_max_length,
        change_max_active_dims,
        change_hidden_activation,
    ],
)
def test_every_part_counts(tmp_path: Path, change: Callable[[Path], None]) -> None:
    root = write_model(tmp_path / "model")
    before = fingerprint(root)
    change(root)
    assert fingerprint(root) != before
