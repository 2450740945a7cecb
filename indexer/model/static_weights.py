"""The query side's static weights: one learned number for each token."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import Tokenizer

from engine.errors import ModelError
from indexer.model.json_file import read_json_object


def read_static_weights(path: Path, tokenizer: Tokenizer, vocabulary_size: int) -> np.ndarray:
    """Read the weights as float32 (vocabulary_size,), from safetensors or from idf.json.

    Some models round their output up to a few more entries than the tokenizer has: weights for
    exactly the tokenizer's tokens are filled up with zeros. Raises `ModelError`, naming the file,
    if it is damaged or its length fits neither.
    """
    tokens = tokenizer.get_vocab_size(with_added_tokens=True)
    if path.suffix == ".json":
        weights = _read_idf(path, tokenizer, vocabulary_size)
    else:
        weights = _read_safetensors(path)
    if weights.ndim != 1 or weights.shape[0] not in (vocabulary_size, tokens):
        raise ModelError(
            f"{path} has weights of shape {weights.shape} for a vocabulary of {vocabulary_size}: "
            "the query and document sides do not belong together"
        )
    if weights.shape[0] > vocabulary_size:
        raise ModelError(
            f"{path} has {weights.shape[0]} weights, but the document encoder has only "
            f"{vocabulary_size} outputs: the query and document sides do not belong together"
        )
    if not np.isfinite(weights).all():
        raise ModelError(f"{path} holds weights that are not finite: the model is damaged")
    padded = np.zeros(vocabulary_size, dtype=np.float32)
    padded[: weights.shape[0]] = weights
    return padded


def _read_safetensors(path: Path) -> np.ndarray:
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} is no readable safetensors file: copy the model again") from error
    if "weight" not in tensors:
        raise ModelError(f"{path} has no tensor called 'weight': it holds no static weights")
    weights: np.ndarray = tensors["weight"].to(torch.float32).numpy()
    return weights


def _read_idf(path: Path, tokenizer: Tokenizer, vocabulary_size: int) -> np.ndarray:
    weights = np.zeros(vocabulary_size, dtype=np.float32)
    known = 0
    for token, weight in read_json_object(path).items():
        term_id = tokenizer.token_to_id(token)
        if term_id is None:
            continue
        if not isinstance(weight, int | float) or term_id >= vocabulary_size:
            raise ModelError(f"{path}: the weight of token {token!r} fits no output of the model")
        weights[term_id] = weight
        known += 1
    if known == 0:
        raise ModelError(f"{path} knows no token of the model's tokenizer: they do not belong")
    return weights
