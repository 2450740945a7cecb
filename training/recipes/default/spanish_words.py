"""Whole Spanish words for the vocabulary, and the embedding each starts with.

In an English WordPiece vocabulary Spanish falls into meaningless pieces, which a document encoder
has to learn to predict one by one. A word of its own starts as the mean of its translations.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import torch
from tokenizers import Tokenizer

from training.model.starting_point import usual_length
from training.recipes.default.alignment import words
from training.recipes.default.function_words import read_function_words

# Too common to say what another word means; alignment gives them to anything.
_FUNCTION_WORDS = read_function_words("english")
_SHORTEST = 2


def weigh_words(texts: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return the words of weighted texts, each with the sum of the weights of its texts."""
    weights: defaultdict[str, float] = defaultdict(float)
    for text, weight in texts:
        for word in words(text):
            if len(word) >= _SHORTEST and word.isalpha():
                weights[word] += weight
    return dict(weights)


def choose_words(weights: Mapping[str, float], size: int) -> list[str]:
    """Return the `size` heaviest words, in alphabetical order."""
    ranked = sorted(weights.items(), key=lambda each: (-each[1], each[0]))
    return sorted(word for word, _ in ranked[:size])


def share_meanings(
    entry: Mapping[str, str],
    weights: Mapping[str, float],
    translations: Mapping[str, list[tuple[str, float]]],
) -> dict[str, list[tuple[str, float]]]:
    """Return translations in which an entry means what the words that share it mean.

    Args:
        entry: the entry that stands for a word, of words that have none of their own.
        weights: words, with how much each matters.
        translations: of words, each with its probability.
    """
    forms: defaultdict[str, list[str]] = defaultdict(list)
    for word, shared in entry.items():
        forms[shared].append(word)
    result = dict(translations)
    for shared, sharing in forms.items():
        sums: defaultdict[str, float] = defaultdict(float)
        for word in sorted({*sharing, shared}):
            for translation, probability in translations.get(word, []):
                sums[translation] += weights.get(word, 0.0) * probability
        total = sum(sums.values())
        if total:
            meanings = [(each, part / total) for each, part in sums.items()]
            result[shared] = sorted(meanings, key=lambda each: (-each[1], each[0]))
    return result


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
        meaning = mean_translation(translations.get(word, []), tokenizer, embeddings)
        rows[position] = _mean_row(word, tokenizer, embeddings) if meaning is None else meaning
    return usual_length(rows, embeddings)


def mean_translation(
    translations: Iterable[tuple[str, float]], tokenizer: Tokenizer, embeddings: torch.Tensor
) -> torch.Tensor | None:
    """Return (d,) float32: the mean of the embeddings of content words; None without any."""
    content = [each for each in translations if each[0] not in _FUNCTION_WORDS]
    if not content:
        return None
    weights = torch.tensor([probability for _, probability in content])
    meanings = torch.stack([_mean_row(each, tokenizer, embeddings) for each, _ in content])
    mean: torch.Tensor = (weights / weights.sum()) @ meanings
    return mean


def _mean_row(word: str, tokenizer: Tokenizer, embeddings: torch.Tensor) -> torch.Tensor:
    ids = tokenizer.encode(word, add_special_tokens=False).ids
    row: torch.Tensor = embeddings[torch.tensor(ids)].mean(dim=0)
    return row
