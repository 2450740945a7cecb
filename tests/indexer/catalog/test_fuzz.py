"""Whatever bytes a catalog holds: records that can be stored, rejects, or one CatalogError."""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import CatalogError
from indexer.catalog import CatalogReader, CatalogRecord, RejectLog
from indexer.catalog.values import MAX_ID_BYTES

GOOD = b'{"id": "g", "title": "good"}'

_key = st.sampled_from(["id", "sku", "title", "description", "a"]) | st.text(max_size=3)
_value: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_key, inner, max_size=3),
)
# ASCII escapes write lone surrogates as JSON can hold them; NaN comes as json.dumps writes it.
_json_line = st.dictionaries(_key, _value, max_size=5).map(lambda d: json.dumps(d).encode())
_syntax = st.lists(
    st.sampled_from([*b'{}[]",:;\\\t\r 0eE-\x00\xef\xbb\xbf\xff', *b"idtle"]), max_size=30
).map(bytes)
_line = (
    st.just(GOOD)
    | _json_line
    | _syntax
    | st.binary(max_size=40)
    | st.tuples(_json_line, st.integers(0, 60)).map(lambda cut: cut[0][: cut[1]])
)


def check_record(record: CatalogRecord) -> None:
    assert record.id.strip()
    assert len(record.id.encode("utf-8")) <= MAX_ID_BYTES
    assert record.text.strip()
    record.text.encode("utf-8")
    written = json.dumps(record.document, ensure_ascii=False, allow_nan=False)
    assert json.loads(written.encode("utf-8")) == record.document
    assert record.line >= 1


def read_all(content: bytes, name: str, **options: Any) -> tuple[list[CatalogRecord], RejectLog]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        with RejectLog(Path(folder) / "rejects.jsonl") as rejects:
            records = list(CatalogReader([path], rejects=rejects, **options))
        entries = []
        if rejects.path is not None and rejects.path.exists():
            entries = [json.loads(line) for line in rejects.path.read_bytes().splitlines()]
    for record in records:
        check_record(record)
    assert len(entries) == rejects.total == sum(rejects.counts.values())
    assert set(rejects.first) == set(rejects.counts)
    lines = [record.line for record in records] + [entry["line"] for entry in entries]
    assert len(set(lines)) == len(lines)
    return records, rejects


@settings(max_examples=60, deadline=None)
@given(st.lists(_line, max_size=12), st.sampled_from([b"\n", b"\r\n"]))
def test_json_lines_never_stop(lines: list[bytes], end: bytes) -> None:
    content = end.join([GOOD, *lines])
    physical = content.split(b"\n")
    records, rejects = read_all(content, "a.jsonl", max_record_bytes=60)
    assert records[0].line == 1
    blank = sum(not line.strip() for line in physical)
    assert len(records) + rejects.total + blank == len(physical)


@settings(max_examples=60, deadline=None)
@given(st.lists(_line | st.just(b"1,one") | st.just(b'2,"t\nwo"'), max_size=12))
def test_tables_never_stop(lines: list[bytes]) -> None:
    records, _ = read_all(
        b"\n".join([b"id,title", b"0,zero", *lines]), "a.csv", max_record_bytes=60
    )
    assert (records[0].id, records[0].line) == ("0", 2)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60) | st.lists(_line, max_size=5).map(b"\n".join), st.booleans())
@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a"])
def test_any_file_is_read_or_refused(name: str, content: bytes, packed: bool) -> None:
    try:
        read_all(gzip.compress(content) if packed else content, name)
    except CatalogError as error:
        assert "\n" not in str(error)
        str(error).encode("utf-8")
