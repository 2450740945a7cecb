from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import CatalogError
from tests.training.evaluation.small_collections import in_memory, json_lines, write
from training.evaluation.collection import JudgedQuery
from training.evaluation.query_file import with_query_texts

COLLECTION = in_memory(
    {"q1": {"d1": 1.0}, "q2": {"d2": 1.0}, "q3": {"d1": 1.0}}, groups={"q1": ("en",)}
)


def test_keywords_and_questions_of_one_query(tmp_path: Path) -> None:
    path = write(
        tmp_path / "es.tsv",
        "query-id\tkind\ttext\nq2\tkeywords\tfunda móvil\nq2\tquestions\t¿Hay fundas?\n"
        "q1\tkeywords\tsábana\n",
    )
    collection = with_query_texts(COLLECTION, path)
    assert collection.queries == [
        JudgedQuery("q2/keywords", "funda móvil", "q2", ("keywords",)),
        JudgedQuery("q2/questions", "¿Hay fundas?", "q2", ("questions",)),
        JudgedQuery("q1/keywords", "sábana", "q1", ("keywords",)),
    ]
    assert collection.answerable() == collection.queries
    assert collection.ids is COLLECTION.ids


@pytest.mark.parametrize(
    "content",
    [
        "q1\tsábana\nq3\ttoalla\n",
        "_id\ttext\nq1\tsábana\nq3\ttoalla\n",
        "text\tid\nsábana\tq1\ntoalla\tq3\n",
        json_lines([{"_id": "q1", "text": "sábana"}, {"query-id": "q3", "text": "toalla"}]),
    ],
)
@pytest.mark.parametrize("name", ["queries", "queries.gz"])
def test_every_form_reads_the_same(tmp_path: Path, content: str, name: str) -> None:
    collection = with_query_texts(COLLECTION, write(tmp_path / name, content))
    assert collection.queries == [
        JudgedQuery("q1", "sábana", "q1"),
        JudgedQuery("q3", "toalla", "q3"),
    ]


def test_both_wordings_are_in_the_split_of_their_query(tmp_path: Path) -> None:
    path = write(tmp_path / "es", "id\tkind\ttext\nq1\ta\tuno\nq1\tb\tdos\nq2\ta\ttres\n")
    collection = with_query_texts(COLLECTION, path)
    for split in ("dev", "test"):
        kept = [query.id for query in collection.in_split(split).queries]
        assert ("q1/a" in kept) == ("q1/b" in kept)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "the file holds no queries"),
        ("query-id\ttext\n", "the file holds no queries"),
        ("q9\ttext\n", ":1: small has no query 'q9'"),
        ("q1\ta\nq1\tb\n", ":2: query 'q1' was there before"),
        ("q1\n", ":1: the line has 1 fields and not 2: query id and text with a tab between"),
        ("id\tkind\ttext\nq1\ta\n", ":2: the line has 2 fields and not 3: id; kind; text"),
        ("id\tkind\ttext\nq1\ta\t\n", ":2: query 'q1' has no text"),
        ('{"_id": "q1"}\n', ":1: query 'q1' has no text"),
        ('{"text": "q1"}\n', ":1: the record has no id"),
        ('{"_id": "q1", "text": "a", "kind": 3}\n', ":1: field 'kind' is not text but 3"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, content: str, said: str) -> None:
    path = write(tmp_path / "queries", content)
    with pytest.raises(CatalogError) as caught:
        with_query_texts(COLLECTION, path)
    assert said in str(caught.value)
    with pytest.raises(CatalogError, match="cannot be read"):
        with_query_texts(COLLECTION, tmp_path / "missing")
