from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import CatalogError, InputNotFoundError
from tests.training.evaluation.small_collections import (
    CORPUS,
    JUDGMENTS,
    QUERIES,
    json_lines,
    write,
    write_collection,
)
from training import load_collection
from training.evaluation.beir import read_beir

EXAMPLES = Path(__file__).parents[3] / "examples"


def test_a_folder_in_beir_form(tmp_path: Path) -> None:
    collection = read_beir(write_collection(tmp_path / "shop"))
    assert collection.name == "shop"
    assert collection.ids == ["d1", "d2", "d3"]
    assert collection.texts == ["Queen cotton sheet white", "phone case", "sabana"]
    assert [query.id for query in collection.queries] == ["q1", "q2", "q3"]
    assert collection.queries[0].text == "queen sheet"
    assert collection.judgments == {"q1": {"d1": 3.0, "d3": 1.33}, "q2": {"d2": 1.0, "d1": 0.0}}
    assert [query.id for query in collection.answerable()] == ["q1", "q2"]


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("place", ["qrels.tsv", "qrels/test.tsv"])
@pytest.mark.parametrize("header", [True, False])
def test_every_form_reads_the_same(tmp_path: Path, ending: str, place: str, header: bool) -> None:
    expected = read_beir(write_collection(tmp_path / "plain" / "same"))
    folder = tmp_path / "other" / "same"
    write(folder / f"corpus.jsonl{ending}", json_lines(CORPUS))
    write(folder / f"queries.jsonl{ending}", b"\xef\xbb\xbf" + json_lines(QUERIES).encode())
    lines = JUDGMENTS if header else JUDGMENTS.partition("\n")[2]
    write(folder / f"{place}{ending}", "\n" + lines.replace("\n", "\r\n"))
    assert read_beir(folder) == expected


def test_the_examples_are_a_collection() -> None:
    collection = load_collection(EXAMPLES)
    assert collection.name == "examples"
    assert len(collection.ids) == 356
    first = collection.texts[0]
    assert first.startswith("Queen Fitted Sheet, 100% Cotton, Deep Pocket, White Crisp combed")
    assert {query.groups for query in collection.queries} == {("en",), ("es",)}
    assert len(collection.answerable()) == len(collection.queries)


def test_numbers_as_ids_and_empty_fields(tmp_path: Path) -> None:
    folder = write_collection(
        tmp_path,
        corpus=[{"_id": 1, "title": None, "text": "a"}, {"id": 2, "title": "b"}, {"_id": "3"}],
        queries=[{"id": 7, "text": "a", "kind": "keywords", "lang": "en"}],
        judgments="7\t1\t1\n",
    )
    collection = read_beir(folder)
    assert (collection.ids, collection.texts) == (["1", "2", "3"], ["a", "b", ""])
    assert collection.queries[0].groups == ("en", "keywords")
    assert collection.answerable() == collection.queries


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("corpus.jsonl", "", "the file holds no documents"),
        ("corpus.jsonl", '{"_id": "d1"}\n\nnonsense\n', "corpus.jsonl:3: malformed-json"),
        ("corpus.jsonl", '{"_id": "d1"}\n{"_id": "d1"}\n', ":2: the id 'd1' was there before"),
        ("corpus.jsonl", '{"title": "d1"}\n', ":1: the record has no id in a field _id or id"),
        ("corpus.jsonl", '{"_id": null}\n', ":1: the record has no id"),
        ("corpus.jsonl", '{"_id": [1]}\n', ":1: the id in field '_id' is a list"),
        ("corpus.jsonl", '{"_id": "d1", "text": 4}\n', ":1: field 'text' is not text but 4"),
        ("corpus.jsonl", "[1]\n", ":1: not-an-object: the line is a list"),
        ("queries.jsonl", "\n", "the file holds no queries"),
        ("queries.jsonl", '{"_id": "q1"}\n', ":1: query 'q1' has no text"),
        ("queries.jsonl", '{"_id": "q1", "text": " "}\n', ":1: query 'q1' has no text"),
        ("queries.jsonl", json_lines([{"_id": "1", "text": "a" * 70_000}]), "70,000 characters"),
        ("queries.jsonl", json_lines([QUERIES[0]] * 2), ":2: the id 'q1' was there before"),
        ("qrels.tsv", "query-id\tcorpus-id\tscore\n", "the file holds no judgments"),
        ("qrels.tsv", "q1\td1\t1\nq1\td1\n", ":2: a judgment is query id, document id and rel"),
        ("qrels.tsv", "q1\td1\t1\nq1\t\t1\n", ":2: a judgment is query id"),
        ("qrels.tsv", "q1\td1\t1\nq1\td2\thigh\n", ":2: the relevance is not a number but 'high'"),
        ("qrels.tsv", "q1\td1\t1\nq1\td2\tnan\n", ":2: the relevance is not a number"),
        ("qrels.tsv", "q1\td1\t99\n", ":1: a relevance is at most 16, not 99"),
        ("qrels.tsv", "q1\td1\t1\nq1\td1\t2\n", ":2: query 'q1' and document 'd1' were judged"),
        ("qrels.tsv", "x\td1\t1\n", "judges none of the queries"),
        ("qrels.tsv", "q1\tx\t1\n", "names no document of the corpus"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    tmp_path: Path, file: str, content: str, said: str
) -> None:
    write(write_collection(tmp_path) / file, content)
    with pytest.raises(CatalogError) as caught:
        read_beir(tmp_path)
    assert said in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", ["corpus.jsonl", "queries.jsonl", "qrels.tsv"])
def test_a_file_that_is_missing_or_damaged(tmp_path: Path, file: str) -> None:
    folder = write_collection(tmp_path)
    content = (folder / file).read_bytes()
    (folder / file).unlink()
    with pytest.raises(CatalogError, match="it is no collection in BEIR form"):
        read_beir(folder)
    packed = write(folder / f"{file}.gz", content)
    packed.write_bytes(packed.read_bytes()[:-12])
    with pytest.raises(CatalogError, match="cut off"):
        read_beir(folder)
    packed.write_bytes(b"\xff\xfe{}")
    with pytest.raises(CatalogError, match=r":1: not UTF-8: byte 0xff at position 0"):
        read_beir(folder)


def test_no_such_collection(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="or one of NanoArguAna, "):
        load_collection("nowhere")
    with pytest.raises(CatalogError, match="there is no collection"):
        load_collection(tmp_path / "NanoMSMARCO")
    file = write(tmp_path / "file", "text")
    with pytest.raises(CatalogError, match="file is a file: name the folder"):
        load_collection(file)
    with pytest.raises(InputNotFoundError, match="there is no folder"):
        read_beir(tmp_path / "nowhere")
