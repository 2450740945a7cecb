"""Entries of the English vocabulary that are Spanish words first: "mesa", "luz", "blanco".

BERT learned them from names and foreign phrases, so its embeddings of them mean little. As they are
in the vocabulary already they are not added as Spanish words; they are given new meanings instead.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from training.recipes.default.alignment import words
from training.recipes.default.function_words import read_function_words

_FUNCTION_WORDS = {
    word
    for language in ("english", "spanish")
    for each in read_function_words(language)
    for word in words(each)
}
_LEAST_WEIGHT = 30.0
_SHORTEST = 3
# A word that translates to itself, or to a word with its first five letters, means the same.
_MOST_SAME = 0.3
_SAME_LETTERS = 5
_MOST_ENGLISH = 0.1


def spanish_homographs(
    weights: Mapping[str, float],
    known: Collection[str],
    translations: Mapping[str, list[tuple[str, float]]],
    english: Mapping[str, float],
) -> list[str]:
    """Return the words of the vocabulary `known` that Spanish uses much more than English.

    Args:
        weights: Spanish words, with how much each matters.
        known: the vocabulary.
        translations: of Spanish words, each with its probability.
        english: how often English texts hold a word.
    """
    return sorted(
        word
        for word, weight in weights.items()
        if word in known
        and len(word) >= _SHORTEST
        and word not in _FUNCTION_WORDS
        and weight >= _LEAST_WEIGHT
        and english.get(word, 0.0) <= _MOST_ENGLISH * weight
        and _means_another(word, translations.get(word, ()))
    )


def _means_another(word: str, translations: Collection[tuple[str, float]]) -> bool:
    content = [each for each in translations if each[0] not in _FUNCTION_WORDS]
    same = sum(
        probability
        for other, probability in content
        if other == word or (len(other) >= _SAME_LETTERS and word.startswith(other[:_SAME_LETTERS]))
    )
    return bool(content) and same < _MOST_SAME
