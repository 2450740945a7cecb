"""Forms of a Spanish word that can share one entry of the vocabulary.

A WordPiece tokenizer takes the longest entry that a word begins with: where "lampara" is an entry
and "lamparas" is not, "lamparas" becomes "lampara" and "##s". A stem such as "inalambric" likewise
stands for all four forms of the adjective, and "plastico" may stay out altogether, because it
begins with the English "plastic". Every form that needs no entry of its own leaves room for another
word, is learned together with its sisters, and takes no active dimension of a document.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable

import torch

# Endings that are pieces of BERT's vocabulary, longest first.
_PLURALS = ("es", "s")
_GENDERS = ("o", "a")
_SHORTEST_STEM = 4
# Cosines of what two forms mean, from which they count as one word. A Spanish plural hardly ever
# means another thing, and alignment is noisy for the rarer form. Pairs like "puerto" and "puerta"
# lie below the second. An entry that English has already, such as "pan", must mean the same.
_LIKE_PLURAL = 0.4
_LIKE_GENDER = 0.6
_LIKE_ENGLISH = 0.75


def shared_entries(
    weights: dict[str, float],
    known: Collection[str],
    meaning: Callable[[str], torch.Tensor | None],
) -> dict[str, str]:
    """Return the entry that stands for each word that needs none of its own.

    Args:
        weights: Spanish words, with how much each matters.
        known: entries that the vocabulary has already.
        meaning: of a word or an entry its direction among the embeddings, (d,) float32 of length
            1; None where nothing is known.
    """

    def alike(one: str, other: str, least: float) -> bool:
        first, second = meaning(one), meaning(other)
        if first is None or second is None:
            return False
        return float(first @ second) >= least

    entry: dict[str, str] = {}
    for word in weights:
        for ending in _PLURALS:
            base = word.removesuffix(ending)
            if len(base) + len(ending) != len(word) or len(base) < _SHORTEST_STEM:
                continue
            least = _LIKE_PLURAL if base in weights else _LIKE_ENGLISH
            if (base in weights or base in known) and alike(word, base, least):
                entry[word] = base
                break
    singular = [word for word in weights if word not in entry]
    entry.update(_without_gender(singular, known, alike))
    return {word: _last(word, entry) for word in entry}


def _without_gender(
    singular: Iterable[str],
    known: Collection[str],
    alike: Callable[[str, str, float], bool],
) -> dict[str, str]:
    by_stem: defaultdict[str, list[str]] = defaultdict(list)
    for word in singular:
        if word.endswith(_GENDERS) and len(word) > _SHORTEST_STEM:
            by_stem[word[:-1]].append(word)
    entry: dict[str, str] = {}
    for stem, forms in by_stem.items():
        if stem in known:
            entry.update((form, stem) for form in forms if alike(form, stem, _LIKE_ENGLISH))
        elif len(forms) == len(_GENDERS) and alike(forms[0], forms[1], _LIKE_GENDER):
            entry.update((form, stem) for form in forms)
    return entry


def _last(word: str, entry: dict[str, str]) -> str:
    while word in entry:
        word = entry[word]
    return word
