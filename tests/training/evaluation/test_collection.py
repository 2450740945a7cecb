from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import training
from engine.errors import UsageError
from tests.training.evaluation.small_collections import in_memory
from training import query_split


def test_splits_never_change() -> None:
    """Figures are published by split: these are what an id has always belonged to."""
    assert [query_split(f"hd{at}") for at in range(8)] == [
        "dev", "dev", "dev", "test", "dev", "dev", "dev", "dev",
    ]  # fmt: skip
    assert query_split("sábana") == "test"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_each_query_is_in_one_split(query_id: str) -> None:
    assert query_split(query_id) in ("dev", "test")


def test_splits_halve_a_collection() -> None:
    collection = in_memory({f"q{at}": {"d": 1.0} for at in range(400)})
    dev, test = collection.in_split("dev"), collection.in_split("test")
    assert len(dev.queries) + len(test.queries) == 400
    assert abs(len(dev.queries) - 200) < 40
    assert not {query.id for query in dev.queries} & {query.id for query in test.queries}
    assert dev.judgments is collection.judgments
    with pytest.raises(UsageError, match="dev or test"):
        collection.in_split("train")


def test_what_is_relevant() -> None:
    collection = in_memory({"q1": {"a": 3.0, "b": 1.5, "c": 0.0, "d": -1.0}, "q2": {"a": 0.0}})
    first, second = collection.queries
    assert collection.relevant(first) == {"a", "b"}
    assert collection.relevant(first, 1.5) == {"a", "b"}
    assert collection.relevant(first, 2) == {"a"}
    assert collection.relevant(second) == set()
    assert collection.answerable() == [first]
    assert collection.answerable(4) == []


def test_judgments_of_documents_that_are_not_there() -> None:
    collection = in_memory({"q1": {"a": 3.0, "gone": 1.5, "lost": 0.0}, "q2": {"gone": 1.0}})
    there = replace(collection, ids=["a"], texts=["a"])
    assert there.judged_and_missing() == (3, 2)
    assert replace(there, queries=there.queries[:1]).judged_and_missing() == (2, 1)


def test_names_of_the_package() -> None:
    for name in ("Collection", "EvaluationReport", "evaluate", "load_collection", "query_split"):
        assert name in training.__all__
        assert name in dir(training)
        assert callable(getattr(training, name))
    with pytest.raises(AttributeError, match="Nonsense"):
        training.__getattr__("Nonsense")
