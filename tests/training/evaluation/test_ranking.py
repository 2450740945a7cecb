"""Doubts are decided against the system, whatever the retriever does with ties."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tests.training.evaluation.small_collections import in_memory, ranking
from training.evaluation.ranking import Ranking, ScoredDocument, rank, worst_order


class Scores:
    """A retriever with given scores for all texts; documents without a score are no hits."""

    def __init__(self, scores: dict[str, float]) -> None:
        self._hits = [ScoredDocument(id, score) for id, score in scores.items()]
        self.depths: list[int] = []

    def search(self, texts: Sequence[str], k: int) -> list[Ranking]:
        self.depths.append(k)
        best = sorted(self._hits, key=lambda hit: -hit.score)[:k]
        return [best for _ in texts]


def ids(found: Ranking) -> list[str]:
    return [hit.id for hit in found]


def test_equal_scores_put_the_most_relevant_last() -> None:
    hits = [
        ScoredDocument(id, score) for id, score in zip("abcdef", (3, 2, 2, 2, 2, 1), strict=True)
    ]
    judged = {"b": 3.0, "c": 1.0, "e": -1.0, "f": 3.0}
    assert ids(worst_order(hits, judged)) == ["a", "d", "e", "c", "b", "f"]


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=40),
    st.lists(st.integers(0, 3), min_size=40, max_size=40),
    st.integers(1, 12),
)
def test_ties_across_the_depth_are_looked_up(
    scores: list[int], grades: list[int], depth: int
) -> None:
    """The ranking is the beginning of the worst order of all documents, however deep ties go."""
    known = [f"d{at}" for at in range(len(scores))]
    judged = {id: float(grade) for id, grade in zip(known, grades, strict=False)}
    matched = {id: float(score) for id, score in zip(known, scores, strict=True) if score}
    collection = in_memory({"q": judged}, known)
    run = rank(Scores(matched), collection, collection.queries, depth)
    whole = [ScoredDocument(*pair) for pair in sorted(matched.items(), key=lambda pair: -pair[1])]
    expected = [(hit.score, judged[hit.id]) for hit in worst_order(whole, judged)[:depth]]
    assert [(hit.score, judged[hit.id]) for hit in run["q"]] == expected


def test_only_ties_cost_a_second_search() -> None:
    collection = in_memory({"q": {"d0": 1.0}}, [f"d{at}" for at in range(100)])
    distinct = Scores({f"d{at}": float(100 - at) for at in range(100)})
    rank(distinct, collection, collection.queries, 10)
    assert distinct.depths == [12]
    tied = Scores(dict.fromkeys(collection.ids, 1.0))
    found = rank(tied, collection, collection.queries, 10)
    assert tied.depths == [12, 48, 100]
    assert "d0" not in ids(found["q"])


def test_the_query_itself_is_no_answer() -> None:
    """BEIR's rule, for collections whose queries are passages of the corpus."""
    scores = Scores({"a": 9.0, "b": 8.0, "c": 7.0, "d": 6.0})
    collection = in_memory({"a": {"c": 1.0}, "b": {"b": 1.0}, "q": {"d": 1.0}}, "abcd")
    run = rank(scores, collection, collection.queries, 2)
    assert ids(run["a"]) == ["b", "c"]
    assert ids(run["b"]) == ["a", "b"]  # judged relevant to itself: the ids are just alike
    assert ids(run["q"]) == ["a", "b"]


def test_queries_without_hits_and_the_order_of_queries() -> None:
    collection = in_memory({"z": {"a": 1.0}, "y": {"a": 1.0}})
    assert rank(Scores({}), collection, collection.queries) == {"z": [], "y": []}
    assert list(rank(Scores({"a": 1.0}), collection, collection.queries)) == ["z", "y"]
    assert ids(ranking("a", "b")) == ["a", "b"]
