from __future__ import annotations

import datetime
import gzip
import io
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engine.errors import CatalogError, MissingExtraError
from indexer.catalog import CatalogReader, RejectReason
from indexer.catalog.parquet import to_json

if TYPE_CHECKING:
    from .conftest import ReadCatalog

pyarrow = pytest.importorskip("pyarrow", reason="the extra [parquet] is not installed")
parquet = pytest.importorskip("pyarrow.parquet", reason="the extra [parquet] is not installed")


def table_bytes(columns: dict[str, Any], **options: Any) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), buffer, **options)
    return buffer.getvalue()


def test_values_become_json(read_catalog: ReadCatalog) -> None:
    moment = datetime.datetime(2024, 2, 29, 12, 30, 0, 5)
    columns = {
        "id": pyarrow.array([7, None], pyarrow.int64()),
        "title": ["sábana", "x"],
        "price": pyarrow.array([Decimal("12.90"), Decimal("12.00")], pyarrow.decimal128(8, 2)),
        "big": pyarrow.array([Decimal("1" * 30), None], pyarrow.decimal128(38, 0)),
        "made": pyarrow.array([moment, None], pyarrow.timestamp("us")),
        "zoned": pyarrow.array([moment, None], pyarrow.timestamp("ns", "America/Mexico_City")),
        "day": [moment.date(), None],
        "hour": [moment.time(), None],
        "span": [datetime.timedelta(minutes=1, milliseconds=500), None],
        "raw": [b"text", b"x"],
        "image": [b"\xff\xd8", b"x"],
        "tags": [["a", "b"], []],
        "size": [{"w": 1, "h": None}, None],
        "map": pyarrow.array([[("k", 1)], None], pyarrow.map_(pyarrow.string(), pyarrow.int64())),
        "flag": [True, None],
    }
    [record], reader = read_catalog(table_bytes(columns), "a.parquet")
    assert (record.id, record.text, record.line) == ("7", "sábana", 1)
    assert record.document == {
        "id": 7,
        "title": "sábana",
        "price": 12.9,
        "big": "1" * 30,
        "made": "2024-02-29T12:30:00.000005",
        "zoned": "2024-02-29T12:30:00.000005+00:00",
        "day": "2024-02-29",
        "hour": "12:30:00.000005",
        "span": 60.5,
        "raw": "text",
        "image": "/9g=",
        "tags": ["a", "b"],
        "size": {"w": 1, "h": None},
        "map": {"k": 1},
        "flag": True,
    }
    assert reader.rejects.counts == {RejectReason.MISSING_ID: 1}
    assert reader.rejects.first[RejectReason.MISSING_ID].line == 2
    rejected = reader.rejects.first[RejectReason.MISSING_ID].record
    assert json.loads(rejected)["price"] == 12


def test_rows_are_numbered_across_batches_and_progress_ends_at_the_size(
    read_catalog: ReadCatalog,
) -> None:
    count = 3000
    columns = {"sku": [f"s{n}" for n in range(count)], "name": ["x"] * count}
    content = table_bytes(columns, row_group_size=1100)
    records, reader = read_catalog(content, "a.parquet")
    assert [record.line for record in records] == list(range(1, count + 1))
    assert reader.bytes_read == reader.bytes_total == len(content)


def test_bad_values_are_set_aside(read_catalog: ReadCatalog) -> None:
    latin = pyarrow.array([b"ok", b"\xe1", b"ok", b"ok"]).view(pyarrow.string())
    far = pyarrow.array([0, 0, 2**62, 0], pyarrow.int64()).view(pyarrow.timestamp("us"))
    columns = {"id": [1, 2, 3, 4], "title": latin, "t": far, "n": [1.0, 1.0, 1.0, float("nan")]}
    records, reader = read_catalog(table_bytes(columns), "a.parquet")
    assert [record.id for record in records] == ["1"]
    assert {reason: reject.line for reason, reject in reader.rejects.first.items()} == {
        RejectReason.INVALID_UTF8: 2,
        RejectReason.MALFORMED_ROW: 3,
        RejectReason.NOT_FINITE_NUMBER: 4,
    }


def test_ids_are_looked_for_in_scalar_columns(read_catalog: ReadCatalog) -> None:
    columns = {"id": [{"oid": "x"}], "sku": ["s"], "title": ["t"], " title ": ["u"]}
    [record], _ = read_catalog(table_bytes(columns), "a.parquet")
    assert record.id == "s"
    assert record.document["title_2"] == "u"


def test_damaged_and_unsuitable_files(read_catalog: ReadCatalog, tmp_path: Path) -> None:
    content = table_bytes({"id": [1], "title": ["t"]})
    for damaged in (content[:-9], b"PAR1" + content[5:20], b"PAR1"):
        with pytest.raises(CatalogError, match="cannot be read"):
            read_catalog(damaged, "a.parquet")
    with pytest.raises(CatalogError, match="plain file only"):
        read_catalog(gzip.compress(content), "a.parquet.gz")
    with pytest.raises(CatalogError, match="no Parquet file"):
        read_catalog(b"id,title\n", "a.parquet")
    with pytest.raises(CatalogError, match="looks like an id among a"):
        read_catalog(table_bytes({"a": [1]}), "a.parquet")
    with pytest.raises(CatalogError, match="empty"):
        read_catalog(table_bytes({"id": pyarrow.array([], pyarrow.string())}), "a.parquet")


def test_without_pyarrow_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(table_bytes({"id": [1], "title": ["t"]}))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r'pip install "sabana-search\[parquet\]"'):
        list(CatalogReader([path]))


def test_what_json_has_nothing_for() -> None:
    with pytest.raises(TypeError, match="complex"):
        to_json(1j)
