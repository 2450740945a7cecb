"""Files of queries for `engine bench`: every form, and what is wrong with bad ones."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from engine import EngineError
from engine.cli.bench_queries import read_queries


@pytest.mark.parametrize(
    "content",
    [
        "queen sheet\nsábana de algodón\n",
        "\ufeffqueen sheet\r\n\r\n  sábana de algodón  ",
        '{"text": "queen sheet"}\n\n{"query": "sábana de algodón", "text": null}\n',
        '{"_id": 1, "text": "queen sheet", "lang": "en"}\n{"text": "sábana de algodón"}',
        "1\tqueen sheet\n2\tsábana de algodón\n",
        "_id\ttext\n1\tqueen sheet\n2\t sábana de algodón \n",
        "query\tkind\nqueen sheet\tx\nsábana de algodón\t\n",
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_forms(tmp_path: Path, content: str, packed: bool) -> None:
    file = tmp_path / "queries"
    data = content.encode()
    file.write_bytes(gzip.compress(data) if packed else data)
    assert read_queries(file) == ["queen sheet", "sábana de algodón"]


def test_lines_with_tabs_after_one_without_are_text(tmp_path: Path) -> None:
    (tmp_path / "queries").write_text("queen\nking\tsize\n{x}\n")
    assert read_queries(tmp_path / "queries") == ["queen", "king\tsize", "{x}"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no queries"),
        (b"\n\n", "holds no queries"),
        (b"_id\ttext\n", "holds no queries"),
        (b"queen\n\xff\n", "queries:2: the line is not valid UTF-8"),
        (b"queen\n" + b"x" * 70_000, "queries:2: the query has 70000 characters"),
        (b"x" * 300_000, "queries:1: the line is too long"),
        (b'{"text": "queen"}\nqueen\n', "queries:2: the line is no JSON"),
        (b'{"text": "queen"}\n[1]\n', "queries:2: the line is no JSON object"),
        (b'{"text": "queen"}\n{"text": 5}\n', "queries:2: field 'text' is not text but 5"),
        (b'{"text": ""}\n', "queries:1: the query is empty"),
        (b'{"text": "\\ud800"}\n', "queries:1: the query is not valid text"),
        (b'{"title": "queen"}\n', "queries:1: the record has no field text or query"),
        (b"{" * 100_000, "queries:1: the line is no JSON"),
        (b"1\tqueen\n2\n", "queries:2: the line has 1 columns and not 2: query id and text"),
        (b"1\tqueen\tx\n", "queries:1: the line has 3 columns"),
        (b"text\tkind\nqueen\tx\ty", "queries:2: the line has 3 columns and not 2: text; kind"),
        (b"_id\ttext\n1\n", "queries:2: the query is empty"),
        (b"1\tqueen\n2\t\t\n", "queries:2"),
        (gzip.compress(b"queen\n" * 99)[:-9], "cannot be read: Compressed file ended"),
        (gzip.compress(b"queen")[:12] + b"\xff" * 20, "cannot be read"),
    ],
)
def test_bad_files(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "queries").write_bytes(content)
    with pytest.raises(EngineError) as caught:
        read_queries(tmp_path / "queries")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
