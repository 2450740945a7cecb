"""The model that training of the default starts from: MiniLM with a head and Spanish words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from transformers import AutoTokenizer, BertModel, PreTrainedTokenizerFast

from training.model.starting_point import add_head, add_words
from training.recipes.default.alignment import align, words
from training.recipes.default.sources import (
    read_attributes,
    read_glossary,
    read_lexicon,
    read_phrases,
    read_products,
    read_sentences,
)
from training.recipes.default.spanish_words import choose_words, starting_rows

_OUTPUT_BIAS = -1.6  # of Spanish words; higher than of the others, measured on dev queries
_SAMPLE = 256  # titles on which the head is fitted to the encoder's states


def write_starting_model(data: Path, backbone: Path, output: Path, size: int) -> None:
    """Write a BERT masked language model with `size` Spanish words more than `backbone` has."""
    tokenizer: Any = AutoTokenizer.from_pretrained(backbone)
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.no_truncation()
    encoder: Any = BertModel.from_pretrained(backbone, add_pooling_layer=False)
    encoder.eval()
    titles = [product.title for product in read_products(data)]
    titles = titles[:: max(1, len(titles) // _SAMPLE)]
    sample = [tokenizer(title, return_tensors="pt").input_ids for title in titles]
    model: Any = add_head(encoder, sample)

    chosen, translations = _spanish(data, tokenizer, size)
    rows = starting_rows(
        chosen,
        translations,
        tokenizer.backend_tokenizer,
        model.get_input_embeddings().weight.detach(),
    )
    add_words(model, rows, _OUTPUT_BIAS)
    model.save_pretrained(output)
    fast: Any = PreTrainedTokenizerFast  # its constructor has no types
    fast(
        tokenizer_object=_with_words(tokenizer.backend_tokenizer, chosen),
        model_max_length=tokenizer.model_max_length,
        unk_token="[UNK]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        mask_token="[MASK]",
    ).save_pretrained(output)


def _spanish(
    data: Path, tokenizer: Any, size: int
) -> tuple[list[str], dict[str, list[tuple[str, float]]]]:
    concepts, phrases, sentences = read_glossary(), read_phrases(data), read_sentences(data)
    lexicon = read_lexicon(data)
    shop = [
        (spanish, english, 3.0)
        for concept in concepts
        for english in concept.english[:2]
        for spanish in concept.spanish
    ]
    shop += [(es, en, 3.0) for concept in concepts for en, es in concept.attributes]
    shop += [
        (spanish, english, 3.0)
        for attribute in read_attributes()
        for english in attribute.english[:2]
        for spanish in attribute.spanish
    ]
    shop += [(spanish, english, 2.0) for spanish, english in phrases]
    pairs = shop + [(spanish, english, 1.0) for spanish, english in sentences]
    pairs += [(spanish, english, 1.0) for spanish, english, _ in lexicon]
    translations = align(pairs)
    texts = [(spanish, 10 * weight) for spanish, _, weight in shop]
    texts += [(spanish, 1.0) for spanish, _ in sentences]
    texts += [(spanish, 0.5) for spanish, _, part in lexicon if part in ("n", "adj")]
    return choose_words(texts, tokenizer.get_vocab(), size), translations


def _with_words(tokenizer: Tokenizer, chosen: list[str]) -> Tokenizer:
    """Return the WordPiece tokenizer with more words, behind its own and in their order."""
    state = json.loads(tokenizer.to_str())
    vocabulary = state["model"]["vocab"]
    for word in chosen:
        if words(word) == [word] and word not in vocabulary:
            vocabulary[word] = len(vocabulary)
    state["truncation"] = state["padding"] = None
    return Tokenizer.from_str(json.dumps(state))
