"""Which English words a Spanish word stands for, learned from sentences that say the same.

IBM Model 1 (Brown et al. 1993, "The Mathematics of Statistical Machine Translation"), by
expectation maximisation over weighted sentence pairs.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np

_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """Return the words of a text as the tokenizer sees them: lower case, without accents."""
    decomposed = unicodedata.normalize("NFD", text.lower())
    return _WORD.findall("".join(c for c in decomposed if not unicodedata.combining(c)))


def align(
    pairs: Sequence[tuple[str, str, float]], *, iterations: int = 6, least: float = 0.05
) -> dict[str, list[tuple[str, float]]]:
    """Return for each source word its target words with P(target | source), likeliest first.

    `pairs` are (source text, target text, weight); probabilities below `least` are left out.
    """
    sources: dict[str, int] = {}
    targets: dict[str, int] = {}
    source_ids: list[np.ndarray] = []
    target_ids: list[np.ndarray] = []
    slots: list[np.ndarray] = []  # one for each target word of each pair
    slot_weights: list[np.ndarray] = []
    slot = 0
    for source, target, weight in pairs:
        left = [sources.setdefault(word, len(sources)) for word in words(source)]
        right = [targets.setdefault(word, len(targets)) for word in words(target)]
        if not left or not right:
            continue
        source_ids.append(np.tile(np.array(left, dtype=np.int64), len(right)))
        target_ids.append(np.repeat(np.array(right, dtype=np.int64), len(left)))
        slots.append(np.repeat(np.arange(slot, slot + len(right)), len(left)))
        slot_weights.append(np.full(len(right), weight))
        slot += len(right)
    source_id, target_id = np.concatenate(source_ids), np.concatenate(target_ids)
    slot_id, weights = np.concatenate(slots), np.concatenate(slot_weights)
    keys, entry = np.unique(source_id * len(targets) + target_id, return_inverse=True)
    entry_source = keys // len(targets)
    probability = np.ones(len(keys))
    for _ in range(iterations):
        share = probability[entry]
        share /= np.bincount(slot_id, share, slot)[slot_id]
        counts = np.bincount(entry, share * weights[slot_id], len(keys))
        probability = counts / np.bincount(entry_source, counts, len(sources))[entry_source]

    table: dict[str, list[tuple[str, float]]] = {}
    source_words, target_words = list(sources), list(targets)
    for position in np.flatnonzero(probability >= least):
        key = int(keys[position])
        translations = table.setdefault(source_words[key // len(targets)], [])
        translations.append((target_words[key % len(targets)], float(probability[position])))
    for translations in table.values():
        translations.sort(key=lambda each: (-each[1], each[0]))
    return table
