"""From a plain BERT encoder to a masked language model that is a usable SPLADE encoder untrained.

Sentence encoders such as all-MiniLM-L6-v2 come without the head that predicts words. Their last
hidden states still lie near the input embeddings of the words they stand for, so a head that
hands the states through and compares them with those embeddings is a good place to start from.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import BertForMaskedLM, BertModel

# gelu(x + 4) is x + 4 to within 0.02 for all x above -2, where the states of an encoder lie.
_GELU_SHIFT = 4.0
# Logits of unrelated words then fall below zero, where relu cuts them off.
_OUTPUT_BIAS = -2.1
_STRETCH = 1.1  # times the median length of the embeddings; measured on dev queries


def add_head(encoder: BertModel, sample: Sequence[torch.Tensor] | None = None) -> BertForMaskedLM:
    """Return a masked language model over `encoder`, its head tied to the word embeddings.

    The head's dense layer is the identity with a shift that takes gelu out of play, its layer norm
    gives the states the mean and spread back that they had, measured on `sample`: token ids (n,
    length), int64, of texts such as the documents to come; None takes random tokens.
    """
    config = encoder.config
    model: Any = BertForMaskedLM(config)
    model.bert.load_state_dict(encoder.state_dict(), strict=False)
    mean, spread = _moments(encoder, sample if sample else _random_tokens(config.vocab_size))
    head = model.cls.predictions
    with torch.no_grad():
        head.transform.dense.weight.copy_(torch.eye(config.hidden_size))
        head.transform.dense.bias.fill_(_GELU_SHIFT)
        head.transform.LayerNorm.weight.fill_(spread)
        head.transform.LayerNorm.bias.fill_(mean)
        head.bias.fill_(_OUTPUT_BIAS)
    model.config.architectures = ["BertForMaskedLM"]
    model.config.tie_word_embeddings = True
    model.tie_weights()
    masked_lm: BertForMaskedLM = model.eval()
    return masked_lm


def add_words(model: Any, rows: torch.Tensor, output_bias: float) -> None:
    """Append `rows` (words, d), float32, to the tied embeddings, each with `output_bias`.

    Changes `model`, a `BertForMaskedLM`, in place; its vocabulary grows by `len(rows)`.
    """
    old = model.get_input_embeddings().weight.detach()
    bias = model.cls.predictions.bias.detach()
    model.resize_token_embeddings(old.shape[0] + rows.shape[0], mean_resizing=False)
    with torch.no_grad():
        model.get_input_embeddings().weight.copy_(torch.cat([old, rows]))
        added = torch.full((rows.shape[0],), output_bias)
        model.cls.predictions.bias.copy_(torch.cat([bias, added]))
    model.tie_weights()


def usual_length(rows: torch.Tensor, embeddings: torch.Tensor) -> torch.Tensor:
    """Stretch `rows` (words, d), means of embeddings, to a little more than the median length.

    A mean of vectors is shorter than they are, and would hardly be predicted.
    """
    length = _STRETCH * embeddings.norm(dim=1).median()
    stretched: torch.Tensor = rows * (length / rows.norm(dim=1, keepdim=True))
    return stretched


def with_entries(tokenizer: Tokenizer, words: Iterable[str]) -> Tokenizer:
    """Return the WordPiece tokenizer with more entries behind its own, without truncation."""
    state = json.loads(tokenizer.to_str())
    vocabulary = state["model"]["vocab"]
    for word in words:
        vocabulary.setdefault(word, len(vocabulary))
    state["truncation"] = state["padding"] = None
    return Tokenizer.from_str(json.dumps(state))


def replace_words(model: Any, ids: torch.Tensor, rows: torch.Tensor, output_bias: float) -> None:
    """Give entries of the vocabulary other tied embeddings, each with `output_bias`.

    Changes `model`, a `BertForMaskedLM`, in place; `ids` are (words,) int64, `rows` (words, d).
    """
    with torch.no_grad():
        model.get_input_embeddings().weight[ids] = rows
        model.cls.predictions.bias[ids] = output_bias


def _random_tokens(vocabulary_size: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(vocabulary_size, (16, 24), generator=generator)]


def _moments(encoder: BertModel, sample: Sequence[torch.Tensor]) -> tuple[float, float]:
    with torch.inference_mode():
        states = torch.cat(
            [encoder(input_ids=ids).last_hidden_state.flatten(0, 1) for ids in sample]
        )
    return float(states.mean()), float(states.std(dim=1, correction=0).mean())
