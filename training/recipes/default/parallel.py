"""Training pairs from texts that exist in both languages: category names, sentences, words."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from training.recipes.default.alignment import words
from training.recipes.default.function_words import read_function_words
from training.recipes.default.sources import Attribute, Concept
from training.recipes.default.titles import Pair
from training.recipes.default.wording import in_english, in_spanish

_SPANISH_FUNCTION_WORDS = read_function_words("spanish")
_ENGLISH_FUNCTION_WORDS = read_function_words("english")


def category_names(
    phrases: Sequence[tuple[str, str]], chance: random.Random
) -> Iterator[tuple[str, Pair]]:
    """Yield (language of the query, pair) of names of product categories."""
    for spanish, english in phrases:
        key = " ".join(words(english))
        twin = english.lower()
        query = in_spanish(spanish.lower() if chance.random() < 0.7 else spanish, chance)
        yield "es", {"query": query, "teacher_query": twin, "document": english, "key": key}
        if chance.random() < 0.3:
            query = in_english(twin, chance)
            yield "en", {"query": query, "teacher_query": twin, "document": spanish, "key": key}
        if chance.random() < 0.3:
            own = _content(spanish, _SPANISH_FUNCTION_WORDS)
            if own:
                document = spanish.capitalize()
                yield "es", {"query": " ".join(own), "document": document, "key": key}


def sentences(
    pairs: Sequence[tuple[str, str]], chance: random.Random
) -> Iterator[tuple[str, Pair]]:
    """Yield (language of the query, pair) of sentences and of the words that matter in them."""
    for spanish, english in pairs:
        spanish_words = _content(spanish, _SPANISH_FUNCTION_WORDS)
        english_words = _content(english, _ENGLISH_FUNCTION_WORDS)
        if not 2 <= len(english_words) <= 20 or not spanish_words:
            continue
        key = " ".join(words(english))
        draw = chance.random()
        if draw < 0.55:
            size = min(len(spanish_words), chance.choice((2, 3, 4, 6)))
            query = " ".join(spanish_words[:size]) if draw < 0.4 else spanish
            yield "es", {"query": query, "teacher_query": english, "document": english, "key": key}
        elif draw < 0.8:
            size = min(len(english_words), chance.choice((1, 2, 3, 4)))
            start = chance.randrange(len(english_words) - size + 1)
            query = " ".join(english_words[start : start + size])
            yield "en", {"query": query, "document": english, "key": key}
        else:
            query = " ".join(english_words[:4])
            yield "en", {"query": query, "teacher_query": english, "document": spanish, "key": key}


def dictionary(entries: Sequence[tuple[str, str, str]], chance: random.Random) -> Iterator[Pair]:
    """Yield pairs of a Spanish word and its English words; nouns, adjectives and verbs alone."""
    senses: dict[str, list[str]] = {}
    for spanish, english, part in entries:
        if part in ("n", "adj", "v"):
            senses.setdefault(spanish.lower(), []).append(english.lower())
    for spanish, meanings in senses.items():
        document = " ".join(dict.fromkeys(chance.sample(meanings, min(len(meanings), 3))))
        yield {"query": spanish, "teacher_query": document, "document": document, "key": document}


def names(concepts: Sequence[Concept], shared: Sequence[Attribute]) -> Iterator[Pair]:
    """Yield pairs of a Spanish and an English name of a concept or attribute of the glossary."""
    entries: list[Attribute | Concept] = [*concepts, *shared]
    for entry in entries:
        for spanish in entry.spanish:
            for english in entry.english:
                key = entry.english[0]
                yield {"query": spanish, "teacher_query": english, "document": english, "key": key}


def _content(text: str, function_words: frozenset[str]) -> list[str]:
    stripped = (word.strip(".,;:!?¡¿\"'()«»-").lower() for word in text.split())
    return [word for word in stripped if word and word not in function_words]
