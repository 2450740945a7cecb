"""BM25, the lexical baseline: English stemming, English stop words left out."""

from __future__ import annotations

from collections.abc import Sequence

import bm25s
import numpy as np
import Stemmer

from training.evaluation.ranking import Ranking, ScoredDocument

NAME = "bm25"
K1 = 1.5
B = 0.75


class BM25:
    """BM25 over the same texts that a model encodes, with k1 = 1.5 and b = 0.75, by bm25s.

    Words are runs of two or more letters and digits, in lower case, without the stop words that
    bm25s lists for English, stemmed by Snowball's English stemmer; idf and saturation are Lucene's.
    """

    def __init__(self, ids: Sequence[str], texts: Sequence[str]) -> None:
        self._ids = ids
        self._stemmer = Stemmer.Stemmer("english")
        self._index = bm25s.BM25(k1=K1, b=B, method="lucene")
        self._is_empty = False
        words = self._words(texts)
        self._is_empty = not any(words)
        if not self._is_empty:
            self._index.index(words, show_progress=False)

    def search(self, texts: Sequence[str], k: int) -> list[Ranking]:
        """Return the k best documents of each text; those without a word of it are no hits."""
        return [self._search(words, k) for words in self._words(texts)]

    def _words(self, texts: Sequence[str]) -> list[list[str]]:
        words: list[list[str]] = bm25s.tokenize(
            list(texts),
            stopwords="en",
            stemmer=self._stemmer,
            return_ids=False,
            show_progress=False,
        )
        return words

    def _search(self, words: list[str], k: int) -> Ranking:
        if not words or self._is_empty:
            return []
        scores = self._index.get_scores(words)
        matched = np.flatnonzero(scores > 0)
        if len(matched) > k:
            best = np.argpartition(-scores[matched], k - 1)[:k]
            # All that equal the last: which of them are taken must not depend on a partition.
            matched = matched[scores[matched] >= scores[matched[best]].min()]
        order = matched[np.argsort(-scores[matched], kind="stable")][:k]
        return [ScoredDocument(self._ids[at], float(scores[at])) for at in order.tolist()]
