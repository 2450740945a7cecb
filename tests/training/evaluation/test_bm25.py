from __future__ import annotations

import math

import pytest

from training.evaluation.bm25 import BM25, K1, B

TEXTS = {
    "a": "The running shoes, running!",
    "b": "Shoes for the kitchen",
    "c": "kitchen towels",
    "d": "kitchen towels",
}


@pytest.fixture(scope="module")
def index() -> BM25:
    return BM25(list(TEXTS), list(TEXTS.values()))


def test_scores_by_hand(index: BM25) -> None:
    # Without stop words and stemmed: run shoe run | shoe kitchen | kitchen towel | the same.
    lengths = {"a": 3, "b": 2, "c": 2, "d": 2}
    mean = sum(lengths.values()) / 4

    def weight(times: int, found_in: int, length: int) -> float:
        idf = math.log(1 + (4 - found_in + 0.5) / (found_in + 0.5))
        return idf * times / (times + K1 * (1 - B + B * length / mean))

    (hits,) = index.search(["Runs in the shoe"], 10)
    assert [hit.id for hit in hits] == ["a", "b"]
    assert hits[0].score == pytest.approx(weight(2, 1, 3) + weight(1, 2, 3), rel=1e-5)
    assert hits[1].score == pytest.approx(weight(1, 2, 2), rel=1e-5)


def test_ties_and_what_matches_nothing(index: BM25) -> None:
    towels, nothing, stop_words, none_known = index.search(["towel", "?", "the", "sábana"], 1)
    assert [hit.id for hit in towels] == ["c"]
    assert nothing == stop_words == none_known == []
    (kitchen,) = index.search(["kitchen"], 3)
    assert [hit.id for hit in kitchen] == ["b", "c", "d"]


def test_a_corpus_without_words() -> None:
    assert BM25(["a"], ["?"]).search(["kitchen"], 5) == [[]]
