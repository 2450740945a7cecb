from __future__ import annotations

import pytest

from engine.errors import CatalogError
from indexer.catalog.formats import CatalogFormat, detect_format, suffix_of

JSON = CatalogFormat.JSON_LINES
TABLE = CatalogFormat.DELIMITED


@pytest.mark.parametrize(
    ("head", "name", "format_"),
    [
        (b'{"id": 1}\n', "catalog.jsonl", JSON),
        (b'\xef\xbb\xbf\n {"id": 1}\n', "catalog", JSON),
        (b'{"id": 1}\n', "misnamed.csv", JSON),
        (b"garbage, id\n", "catalog.ndjson.gz", JSON),
        (b"garbage, with a comma\n", "<stdin>", JSON),
        (b"[1, 2]\n", "catalog.jsonl", JSON),
        (b"a,b\n", "catalog.CSV.gz", TABLE),
        (b"a\tb\n", "catalog.tsv", TABLE),
        (b"[a],b\n", "catalog.csv", TABLE),
        (b'"sku";"nombre"\n', "<stdin>", TABLE),
        (b"\xef\xbb\xbfC\xc3\xb3digo\tx\n", "export.txt", TABLE),
        (b"PAR1...", "whatever", CatalogFormat.PARQUET),
    ],
)
def test_content_decides_then_the_name(head: bytes, name: str, format_: CatalogFormat) -> None:
    assert detect_format(head, name) is format_


def test_chosen_fields_help_to_recognise_a_header() -> None:
    assert detect_format(b"clave|precio\n", "<stdin>") is JSON
    assert detect_format(b"clave|precio\n", "<stdin>", ("clave",)) is TABLE


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (b'[{"id": 1}]', r"jq -c '\.\[\]'"),
        (b'\xef\xbb\xbf[\n  {"id": 1}\n]', r"jq -c '\.\[\]'"),
        (b'{\r\n  "id": 1\n}', r"several lines.*jq -c \."),
        (b"PK\x03\x04", "spreadsheet"),
        (b"\x1f\x8b", "twice"),
        (b"\x28\xb5\x2f\xfd", "zstd -dc"),
        (b"BZh9", "bzip2 -dc"),
        (b"\xfd7zXZ\x00", "xz -dc"),
        (b"\xff\xfe{\x00", "iconv -f UTF-16"),
        (b"\xfe\xff\x00{", "iconv -f UTF-16"),
    ],
)
def test_what_is_not_read_says_how_to_convert_it(head: bytes, message: str) -> None:
    with pytest.raises(CatalogError, match=message) as raised:
        detect_format(head, "catalog.json")
    assert str(raised.value).startswith("catalog.json: ")
    assert "\n" not in str(raised.value)


def test_parquet_by_name_only() -> None:
    with pytest.raises(CatalogError, match="no Parquet file"):
        detect_format(b'{"id": 1}', "a.parquet")


def test_suffix() -> None:
    assert suffix_of("A.B.JSONL.gz") == ".jsonl"
    assert suffix_of("catalog") == ""
