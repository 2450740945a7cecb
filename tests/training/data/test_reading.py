from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from engine.errors import CatalogError, InputNotFoundError, UsageError
from training.data.example import Example
from training.data.reading import read_examples


def read(path: Path) -> list[Example]:
    return list(read_examples(path))


def test_json_lines_with_everything(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(
        '\ufeff{"query": " sábana ", "document": "sheet", "negatives": ["cup"], "scores": [3, 1.5],'
        ' "key": "k", "teacher_query": "sheet", "other": 1}\n\n'
        '{"query": "q", "document": "d", "negatives": null, "key": null}\r\n',
        "utf-8",
    )
    assert read(path) == [
        Example("sábana", "sheet", ("cup",), (3.0, 1.5), "k", "sheet"),
        Example("q", "d"),
    ]


@pytest.mark.parametrize("header", ["", "query\tdocument\tnegative\n"])
def test_tab_separated(tmp_path: Path, header: str) -> None:
    path = tmp_path / "pairs.tsv.gz"
    path.write_bytes(gzip.compress(f"{header}q\td\tn1\tn2\nq2\td2\n".encode()))
    assert read(path) == [Example("q", "d", ("n1", "n2")), Example("q2", "d2")]


def test_a_negative_that_is_the_document_is_dropped_with_its_score(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(
        '{"query": "q", "document": "d", "negatives": ["d ", "", "n"], "scores": [9, 8, 7, 6]}'
    )
    assert read(path) == [Example("q", "d", ("n",), (9.0, 6.0))]


BAD = {
    "{": "no JSON",
    "[1]": "JSON object with query and document",
    '{"query": "q"}': "document is missing or empty",
    '{"question": "q", "text": "d"}': "query is missing or empty (the row has question, text)",
    '{"query": " ", "document": "d"}': "query is missing or empty",
    '{"query": 3, "document": "d"}': "query must be a text",
    '{"query": "q", "document": "d", "negatives": "n"}': "negatives must be a list of texts",
    '{"query": "q", "document": "d", "scores": [1, 2]}': "2 scores for a document and 0 negatives",
    '{"query": "q", "document": "d", "scores": [NaN]}': "finite numbers",
    '{"query": "q", "document": "d", "scores": [true]}': "finite numbers",
    "[" * 99_999: "no JSON",
}


@pytest.mark.parametrize(("line", "said"), BAD.items(), ids=list(BAD.values()))
def test_an_unusable_row_is_told_with_file_and_line(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"query": "a", "document": "b"}\n' + line + "\n")
    with pytest.raises(CatalogError, match="line 2: ") as caught:
        read(path)
    assert said in str(caught.value)
    warnings: list[str] = []
    assert list(read_examples(path, warnings.append)) == [Example("a", "b")]
    assert len(warnings) == 1
    assert f"{path}, line 2: " in warnings[0]


def test_a_line_without_a_tab(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("q\td\nonly a query\n")
    with pytest.raises(CatalogError, match="line 2: expected a query and a document"):
        read(path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError, match="there is no file"):
        read(tmp_path / "nothing.jsonl")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputNotFoundError, match="there is no file"):
        read(tmp_path / "file" / "pairs.jsonl")
    with pytest.raises(UsageError, match="is a folder: name its files"):
        read(tmp_path)
    with pytest.raises(UsageError, match=r"not from \.csv"):
        read(tmp_path / "pairs.csv")
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(b'{"query": "a", "document": "b"}\n' * 99)[:-20])
    with pytest.raises(CatalogError, match="cannot be read"):
        read(cut)
    latin = tmp_path / "latin.tsv"
    latin.write_bytes("q\td\nni\xf1o\td\n".encode("latin-1"))
    with pytest.raises(CatalogError, match="line 2: the text is not valid UTF-8"):
        read(latin)
