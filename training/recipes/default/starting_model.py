"""The model that training of the default starts from: MiniLM with a head and Spanish words."""

from __future__ import annotations

import math
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, BertModel, PreTrainedTokenizerFast

from training.model.starting_point import add_head, add_words, replace_words, with_entries
from training.recipes.default.alignment import align, words
from training.recipes.default.homographs import spanish_homographs
from training.recipes.default.sources import (
    read_attributes,
    read_glossary,
    read_lexicon,
    read_phrases,
    read_products,
    read_questions,
    read_sentences,
    read_wishes,
    read_words,
)
from training.recipes.default.spanish_words import (
    choose_words,
    mean_translation,
    share_meanings,
    starting_rows,
    weigh_words,
)
from training.recipes.default.word_forms import shared_entries

_OUTPUT_BIAS = -1.6  # of Spanish words; higher than of the others, measured on dev queries
_SPANISH_SHARE = 0.8  # of the new embedding of a word that both languages have
_WRITTEN = 5.0  # how much a word of a wish or of the lexicon matters; of a Spanish sentence 1
_SAMPLE = 256  # titles on which the head is fitted to the encoder's states


def write_starting_model(data: Path, backbone: Path, output: Path, size: int) -> None:
    """Write a BERT masked language model with `size` Spanish words more than `backbone` has."""
    tokenizer: Any = AutoTokenizer.from_pretrained(backbone)
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.no_truncation()
    encoder: Any = BertModel.from_pretrained(backbone, add_pooling_layer=False)
    encoder.eval()
    titles = [product.title for product in read_products(data)]
    few = titles[:: max(1, len(titles) // _SAMPLE)]
    sample = [tokenizer(title, return_tensors="pt").input_ids for title in few]
    model: Any = add_head(encoder, sample)

    spanish = _read_spanish(data)
    embeddings = model.get_input_embeddings().weight.detach().clone()
    chosen, translations = _entries(spanish, tokenizer, embeddings, size)
    pieces = tokenizer.backend_tokenizer
    add_words(model, starting_rows(chosen, translations, pieces, embeddings), _OUTPUT_BIAS)
    vocabulary = tokenizer.get_vocab()
    renamed = spanish_homographs(
        spanish.weights, vocabulary, translations, _english_words(data, titles)
    )
    ids = torch.tensor([vocabulary[word] for word in renamed])
    own = embeddings[ids]
    meant = starting_rows(renamed, translations, pieces, embeddings)
    replace_words(model, ids, _SPANISH_SHARE * meant + (1 - _SPANISH_SHARE) * own, _OUTPUT_BIAS)
    model.save_pretrained(output)
    fast: Any = PreTrainedTokenizerFast  # its constructor has no types
    fast(
        tokenizer_object=with_entries(pieces, [each for each in chosen if words(each) == [each]]),
        model_max_length=tokenizer.model_max_length,
        unk_token="[UNK]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        mask_token="[MASK]",
    ).save_pretrained(output)


@dataclass(frozen=True)
class _Spanish:
    """Words of Spanish texts, how much each matters, and what it means in English."""

    weights: dict[str, float]
    translations: dict[str, list[tuple[str, float]]]


def _read_spanish(data: Path) -> _Spanish:
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
    wishes, rare = read_wishes(), read_words()
    pairs += [(keywords, wish.english[0], 2.0) for wish in wishes for keywords in wish.keywords]
    pairs += [
        (spanish, english, 2.0 / place)
        for spanish, meanings in rare.items()
        for place, english in enumerate(meanings, 1)
    ]
    texts = [(spanish, 10 * weight) for spanish, _, weight in shop]
    texts += [(spanish, 1.0) for spanish, _ in sentences]
    texts += [(spanish, 0.5) for spanish, _, part in lexicon if part in ("n", "adj")]
    texts += [(spanish, _WRITTEN) for wish in wishes for spanish in wish.spanish]
    texts += [(spanish, _WRITTEN) for spanish in rare]
    return _Spanish(weigh_words(texts), align(pairs))


def _entries(
    spanish: _Spanish, tokenizer: Any, embeddings: torch.Tensor, size: int
) -> tuple[list[str], dict[str, list[tuple[str, float]]]]:
    """Return the `size` entries to add, and translations that also tell what they mean."""
    known = tokenizer.get_vocab()
    new = {word: weight for word, weight in spanish.weights.items() if word not in known}
    centre = embeddings.mean(dim=0)

    @cache
    def direction(word: str) -> torch.Tensor | None:
        row = mean_translation(
            spanish.translations.get(word, []), tokenizer.backend_tokenizer, embeddings
        )
        if row is None and word in known:
            row = embeddings[known[word]]
        return None if row is None else torch.nn.functional.normalize(row - centre, dim=0)

    entry = shared_entries(new, known, direction)
    weights: defaultdict[str, float] = defaultdict(float)
    for word, weight in new.items():
        if entry.get(word) not in known:
            weights[entry.get(word, word)] += weight
    translations = share_meanings(entry, spanish.weights, spanish.translations)
    for word in _function_words() - known.keys():
        weights[word] = math.inf
    return choose_words(weights, size), translations


def _function_words() -> set[str]:
    """Return the words that the recipe gives next to no weight, as the tokenizer sees them."""
    recipe = tomllib.loads(Path(__file__).with_name("recipe.toml").read_text(encoding="utf-8"))
    return set(words(" ".join(recipe["static_weights"]["function_words"])))


def _english_words(data: Path, titles: Iterable[str]) -> Counter[str]:
    """How many English titles and passages hold a word."""
    texts = chain(titles, (question.passage for question in read_questions(data)))
    return Counter(chain.from_iterable(set(words(text)) for text in texts))
