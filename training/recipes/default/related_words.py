"""Words of other queries that a document answers: its product's names, in both languages.

A query names a product in one way out of many, and mentions one of its attributes or none. Without
these, bag of words would teach that a garden hose is no "manga", and "verde" only for the few green
things whose query happens to say so. Most Spanish words are met often enough only because of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from training.recipes.default.alignment import words
from training.recipes.default.function_words import read_function_words

_FUNCTION_WORDS = read_function_words("english") | {
    word for each in read_function_words("spanish") for word in words(each)
}
_SHORTEST = 3
# An English noun with more Spanish ones than these has several meanings.
_MOST_TRANSLATIONS = 2


def content_words(names: Iterable[str]) -> str:
    """Return the distinct content words of names, in their order, without numbers."""
    found = dict.fromkeys(word for name in names for word in words(name))
    return " ".join(
        word
        for word in found
        if word not in _FUNCTION_WORDS and len(word) >= _SHORTEST and not word.isdigit()
    )


def unambiguous_nouns(lexicon: Iterable[tuple[str, str, str]]) -> Mapping[str, Sequence[str]]:
    """Return the Spanish nouns for each English noun that has only one or two.

    `lexicon` are (Spanish, English, part of speech).
    """
    nouns: defaultdict[str, list[str]] = defaultdict(list)
    for spanish, english, part in lexicon:
        if part == "n" and spanish.lower() not in nouns[english.lower()]:
            nouns[english.lower()].append(spanish.lower())
    return {noun: found for noun, found in nouns.items() if len(found) <= _MOST_TRANSLATIONS}
