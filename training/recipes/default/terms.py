"""What English terms are called in Spanish, turned round into a lexicon of Spanish words.

The glossary says of 16,148 terms of titles, such as "garbage disposal", which Spanish words name
them in one country or another. So a Spanish word takes weight from all the terms that it names.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from training.model.lexicon import entry_of_word
from training.recipes.default.sources import Wish

# What a term gives to the first of its names, and to each further one in proportion to the one
# before; a word that names n terms takes n^-0.6 of that from each. Measured on dev queries.
_SHARE = 0.8
_DECAY = 0.8
_BREADTH = 0.6


def words_of_terms(
    terms: Mapping[str, Sequence[str]], tokenizer: Any, *, english: Collection[str]
) -> dict[str, dict[str, float]]:
    """Return the entries of the vocabulary that name terms, with the share that each term gives.

    Args:
        terms: English terms with their Spanish names, the usual one first.
        tokenizer: transformers' tokenizer of the model. A name that is an entry with another ending
            ("llaves") counts for the entry; other names that it splits are left out.
        english: entries that are left out, as English queries have them too.
    """
    vocabulary = tokenizer.get_vocab()
    found: dict[str, dict[str, float]] = defaultdict(dict)
    in_order: dict[frozenset[str], str] = {}  # "led lantern" and "lantern led" are one term
    for each, names in terms.items():
        words = frozenset(tokenizer.tokenize(each))
        term = in_order.setdefault(words, each)
        for place, name in enumerate(names):
            entry = entry_of_word(tokenizer.tokenize(name))
            if entry is None or entry not in vocabulary or entry in english or entry in words:
                continue
            share = _SHARE * _DECAY**place
            found[entry][term] = max(share, found[entry].get(term, 0.0))
    return {
        word: {term: share / len(shares) ** _BREADTH for term, share in shares.items()}
        for word, shares in found.items()
    }


def english_words(terms: Iterable[str], wishes: Iterable[Wish]) -> set[str]:
    """Return the words, in lower case, of English terms, queries and titles."""
    texts = [*terms]
    for wish in wishes:
        texts += [*wish.english, wish.title]
    return {word for text in texts for word in re.findall("[a-z]+", text.lower())}
