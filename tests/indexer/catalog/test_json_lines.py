from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.errors import CatalogError
from indexer.catalog import RejectReason

if TYPE_CHECKING:
    from .conftest import ReadCatalog

GOOD = b'{"id": "g", "title": "good"}\n'
BAD_LINES = [
    (b'{"id": 1, "title": "x"', RejectReason.MALFORMED_JSON),
    (b'{"id": 1, "title": "x"} trailing', RejectReason.MALFORMED_JSON),
    (b"{" * 200_000, RejectReason.MALFORMED_JSON),
    (b'{"id":' + b"[" * 200_000, RejectReason.MALFORMED_JSON),
    (b'{"id":1,"title":"x","a":' + b"[" * 150 + b"]" * 150 + b"}", RejectReason.MALFORMED_JSON),
    (b'{"id": 1, "title": "x", "n": ' + b"9" * 5000 + b"}", RejectReason.MALFORMED_JSON),
    (b"[1, 2]", RejectReason.NOT_AN_OBJECT),
    (b'"text"', RejectReason.NOT_AN_OBJECT),
    (b"1", RejectReason.NOT_AN_OBJECT),
    (b"1.5", RejectReason.NOT_AN_OBJECT),
    (b"true", RejectReason.NOT_AN_OBJECT),
    (b"null", RejectReason.NOT_AN_OBJECT),
    (b"NaN", RejectReason.NOT_AN_OBJECT),
    (b'{"id": 1, "title": "s\xe1bana"}', RejectReason.INVALID_UTF8),
    (b'{"id": 1, "title": "\xed\xa0\x80"}', RejectReason.INVALID_UTF8),
    (b'{"id": 1, "title": "\\ud83d"}', RejectReason.LONE_SURROGATE),
    (b'{"id": 1, "title": "x", "\\udc00": 1}', RejectReason.LONE_SURROGATE),
    (b'{"id": 1, "title": "x", "a": [{"b": "\\uDBFF"}]}', RejectReason.LONE_SURROGATE),
    (b'{"id": 1, "title": "x", "price": NaN}', RejectReason.NOT_FINITE_NUMBER),
    (b'{"id": 1, "title": "x", "a": {"b": [-Infinity]}}', RejectReason.NOT_FINITE_NUMBER),
    (b'{"id": 1, "title": "x", "price": 1e999}', RejectReason.NOT_FINITE_NUMBER),
    (b'{"title": "x"}', RejectReason.MISSING_ID),
    (b"{}", RejectReason.MISSING_ID),
    (b'{"id": null, "title": "x"}', RejectReason.MISSING_ID),
    (b'{"id": "", "title": "x"}', RejectReason.EMPTY_ID),
    (b'{"id": " \\t ", "title": "x"}', RejectReason.EMPTY_ID),
    (b'{"id": [1], "title": "x"}', RejectReason.NON_SCALAR_ID),
    (b'{"id": {"a": 1}, "title": "x"}', RejectReason.NON_SCALAR_ID),
    (b'{"id": true, "title": "x"}', RejectReason.NON_SCALAR_ID),
    (b'{"id": 1.5, "title": "x"}', RejectReason.NON_SCALAR_ID),
    (b'{"id": "' + b"x" * 65_536 + b'", "title": "x"}', RejectReason.ID_TOO_LONG),
    (b'{"id": 1, "title": " "}', RejectReason.NO_TEXT),
    (b'{"id": 1, "title": null, "price": 3}', RejectReason.NO_TEXT),
    (b'{"id": 1, "title": "' + b"x" * 300_000 + b'"}', RejectReason.LINE_TOO_LONG),
]


@pytest.mark.parametrize(("bad", "reason"), BAD_LINES)
def test_each_bad_line_is_set_aside(
    bad: bytes, reason: RejectReason, read_catalog: ReadCatalog
) -> None:
    content = GOOD + b"\n" + bad + b"\r\n" + GOOD
    records, reader = read_catalog(content, max_record_bytes=250_000)
    assert [(record.id, record.line) for record in records] == [("g", 1), ("g", 4)]
    assert reader.rejects.counts == {reason: 1}
    first = reader.rejects.first[reason]
    assert first.line == 3
    assert str(first).startswith(f"{first.source}:3: {reason}: ")
    assert len(str(first)) < 1000
    assert "\n" not in str(first)
    assert reader.rejects.path is not None
    [line] = reader.rejects.path.read_text(encoding="utf-8").splitlines()
    entry = json.loads(line)
    assert (entry["source"], entry["line"], entry["reason"]) == (first.source, 3, reason)
    assert len(line) < 10_000


@pytest.mark.parametrize(("bad", "reason"), BAD_LINES)
def test_strict_stops_at_the_first_bad_line(
    bad: bytes, reason: RejectReason, read_catalog: ReadCatalog, tmp_path: Path
) -> None:
    with pytest.raises(CatalogError) as raised:
        read_catalog(GOOD + b"\n" + bad, strict=True, max_record_bytes=250_000)
    assert str(raised.value).startswith(f"{tmp_path / 'catalog.jsonl'}:3: {reason}: ")
    assert reason.advice in str(raised.value)
    assert not (tmp_path / "rejects.jsonl").exists()


def test_all_at_once_with_exact_lines(read_catalog: ReadCatalog) -> None:
    content = GOOD + b"".join(bad + b"\n" for bad, _ in BAD_LINES) + GOOD
    records, reader = read_catalog(content, max_record_bytes=250_000)
    assert [record.line for record in records] == [1, len(BAD_LINES) + 2]
    assert reader.rejects.total == len(BAD_LINES)
    assert reader.rejects.path is not None
    entries = [json.loads(line) for line in reader.rejects.path.read_bytes().splitlines()]
    assert [(entry["line"], entry["reason"]) for entry in entries] == [
        (line, reason.value) for line, (_, reason) in enumerate(BAD_LINES, start=2)
    ]


def test_what_is_odd_but_fine(read_catalog: ReadCatalog) -> None:
    lines = [
        b'\xef\xbb\xbf{"id": 1, "title": "byte order mark"}\r\n',
        b"   \r\n",
        b"\n",
        b'  {"id": 2.0, "title": "spaces around"}  \n',
        b'\xef\xbb\xbf{"id": "3", "title": "glued file"}\n',
        b'{"id": "old", "id": "4", "title": "key twice"}\n',
        b'{"id": "5", "title": "\\u0000\\u001b control \\ud83d\\ude00"}\n',
        '{"id": "ñ", "title": "sábana \u2028 queen"}'.encode(),
    ]
    records, reader = read_catalog(b"".join(lines))
    assert [(record.id, record.line) for record in records] == [
        ("1", 1), ("2", 4), ("3", 5), ("4", 6), ("5", 7), ("ñ", 8),
    ]  # fmt: skip
    assert records[4].text == "\x00\x1b control 😀"
    assert records[1].document == {"id": 2.0, "title": "spaces around"}
    assert reader.rejects.total == 0
    assert not (reader.rejects.path or Path()).is_file()
