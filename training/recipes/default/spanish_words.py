"""Whole Spanish words for the vocabulary, and the embedding each starts with.

In an English WordPiece vocabulary Spanish falls into meaningless pieces, which a document encoder
has to learn to predict one by one. A word of its own starts as the mean of its translations.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import torch
from tokenizers import Tokenizer

from training.recipes.default.alignment import words
from training.recipes.default.function_words import read_function_words

# Too common to say what another word means; alignment gives them to anything.
_FUNCTION_WORDS = read_function_words("english")
_SHORTEST = 2
_STRETCH = 1.1  # times the median length of the embeddings; measured on dev queries


def choose_words(
    texts: Iterable[tuple[str, float]], known: Mapping[str, int], size: int
) -> list[str]:
    """Return the `size` heaviest words of weighted texts that are not in the vocabulary `known`."""
    weights: defaultdict[str, float] = defaultdict(float)
    for text, weight in texts:
        for word in words(text):
            if len(word) >= _SHORTEST and word.isalpha() and word not in known:
                weights[word] += weight
    ranked = sorted(weights.items(), key=lambda each: (-each[1], each[0]))
    return sorted(word for word, _ in ranked[:size])


def starting_rows(
    chosen: list[str],
    translations: Mapping[str, list[tuple[str, float]]],
    tokenizer: Tokenizer,
    embeddings: torch.Tensor,
) -> torch.Tensor:
    """Return (words, d) float32: of each word the mean of its translations' embeddings.

    A translation of several pieces counts as their mean. A word without translation starts as the
    mean of its own pieces, which is how the model knew it so far. A mean of vectors is shorter than
    they are and would hardly be predicted, so rows are stretched to the length of the others.
    """
    rows = torch.empty(len(chosen), embeddings.shape[1])
    for position, word in enumerate(chosen):
        content = [each for each in translations.get(word, []) if each[0] not in _FUNCTION_WORDS]
        if content:
            weights = torch.tensor([probability for _, probability in content])
            meanings = torch.stack([_mean_row(each, tokenizer, embeddings) for each, _ in content])
            rows[position] = (weights / weights.sum()) @ meanings
        else:
            rows[position] = _mean_row(word, tokenizer, embeddings)
    length = _STRETCH * embeddings.norm(dim=1).median()
    stretched: torch.Tensor = rows * (length / rows.norm(dim=1, keepdim=True))
    return stretched


def _mean_row(word: str, tokenizer: Tokenizer, embeddings: torch.Tensor) -> torch.Tensor:
    ids = tokenizer.encode(word, add_special_tokens=False).ids
    row: torch.Tensor = embeddings[torch.tensor(ids)].mean(dim=0)
    return row
