from __future__ import annotations

import gzip
import itertools
import json
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import indexer.catalog
from engine.errors import CatalogError, UsageError
from indexer.catalog import CatalogReader, RejectLog, RejectReason

if TYPE_CHECKING:
    from .conftest import ReadCatalog


def test_exported_names() -> None:
    assert indexer.catalog.__all__ == [
        "CatalogReader",
        "CatalogRecord",
        "FieldChoice",
        "Reject",
        "RejectLog",
        "RejectReason",
    ]


def test_several_sources_with_names_of_their_own(tmp_path: Path) -> None:
    first, second = tmp_path / "a.jsonl.gz", tmp_path / "b.csv"
    first.write_bytes(gzip.compress(b'{"id": 1, "title": "one", "extra": [null]}\n'))
    second.write_bytes("código;nombre\n2;dos\n".encode())
    reader = CatalogReader([str(first), second])
    total = first.stat().st_size + second.stat().st_size
    assert (reader.bytes_read, reader.bytes_total, reader.records_read) == (0, total, 0)
    records = iter(reader)
    one = next(records)
    assert (one.id, one.text, one.source, one.line) == ("1", "one", str(first), 1)
    assert one.document == {"id": 1, "title": "one", "extra": [None]}
    assert reader.records_read == 1
    assert 0 < reader.bytes_read <= first.stat().st_size
    [two] = records
    assert (two.id, two.text, two.source, two.line) == ("2", "dos", str(second), 2)
    assert (reader.bytes_read, reader.records_read) == (total, 2)
    assert [(choice.source, choice.id_field) for choice in reader.fields] == [
        (str(first), "id"),
        (str(second), "código"),
    ]


def test_told_fields(read_catalog: ReadCatalog) -> None:
    content = b'{"id": 1, "k": "x", "title": "t", "brand": "b"}\n'
    [record], reader = read_catalog(content, id_field="k", text_fields=["brand", "title"])
    assert (record.id, record.text) == ("x", "b t")
    assert not reader.fields[0].detected


def test_a_misnamed_id_field_lists_the_fields_once_all_is_read(read_catalog: ReadCatalog) -> None:
    content = b'{"id": 1, "title": "t"}\n{"id": 2, "title": "t"}\n'
    with pytest.raises(CatalogError, match="no record has a field 'ID', but id, title"):
        read_catalog(content, id_field="ID")


def test_a_record_without_id_does_not_stop_the_others(tmp_path: Path) -> None:
    bad, good = tmp_path / "bad.jsonl", tmp_path / "good.jsonl"
    bad.write_bytes(b'{"title": "t"}\n')
    good.write_bytes(b'{"id": 1, "title": "t"}\n')
    reader = CatalogReader([bad, good])
    assert [record.id for record in reader] == ["1"]
    assert reader.rejects.counts == {RejectReason.MISSING_ID: 1}


def test_only_bad_lines_give_no_record_and_no_error(read_catalog: ReadCatalog) -> None:
    records, reader = read_catalog(b"x\ny\n")
    assert records == []
    assert reader.rejects.counts == {RejectReason.MALFORMED_JSON: 2}


def test_the_reader_shares_a_log(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"id": 1, "title": "t"}\n[]\n')
    log = RejectLog()
    log.add(RejectReason.DUPLICATE_ID, "x", 1, "x", b"")
    list(CatalogReader([path], rejects=log))
    assert log.total == 2


def test_wrong_use(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"id": 1, "title": "t"}\n')
    with pytest.raises(UsageError, match="No catalog"):
        CatalogReader([])
    with pytest.raises(UsageError, match="twice"):
        CatalogReader(["-", path, "-"])
    with pytest.raises(UsageError, match="max_record_bytes"):
        CatalogReader([path], max_record_bytes=0)
    reader = CatalogReader([path])
    list(reader)
    with pytest.raises(UsageError, match="used before"):
        iter(reader)


def test_memory_is_bounded_by_one_record(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    padding = "x" * 100_000
    with gzip.open(path, "wt", compresslevel=1) as file:
        for number in range(300):
            file.write(json.dumps({"id": number, "title": "t", "padding": padding}) + "\n")
        file.write('{"id": "long", "title": "' + "x" * 20_000_000 + '"}\n')
    reader = CatalogReader([path], max_record_bytes=2**20)
    tracemalloc.start()
    try:
        count = sum(1 for _ in reader)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 300
    assert reader.rejects.counts == {RejectReason.LINE_TOO_LONG: 1}
    assert peak < 5 * 2**20


def test_leaving_early_closes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"id": 1, "title": "t"}\n' * 10)
    reader = iter(CatalogReader([path]))
    assert len(list(itertools.islice(reader, 2))) == 2
    # An open file would show as a ResourceWarning, and warnings are errors.
    del reader
