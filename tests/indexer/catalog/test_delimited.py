from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.errors import CatalogError
from indexer.catalog import RejectReason
from indexer.catalog.delimited import sniff_delimiter, unique_names
from indexer.catalog.row_lines import MAX_ROW_LINES

if TYPE_CHECKING:
    from .conftest import ReadCatalog


@pytest.mark.parametrize(
    ("name", "delimiter"),
    [("a.csv", ","), ("a.csv", ";"), ("a.csv", "\t"), ("a.csv", "|"), ("a.tsv", "\t")],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_delimiters_and_line_ends(
    name: str, delimiter: str, end: str, read_catalog: ReadCatalog
) -> None:
    rows = [["sku", "Título", "precio"], ["001", "sábana", "12.90"], ["002", '"a\nb"', ""]]
    content = "".join(delimiter.join(row) + end for row in rows).encode()
    records, reader = read_catalog(b"\xef\xbb\xbf" + content, name)
    assert [(r.id, r.text, r.line) for r in records] == [("001", "sábana", 2), ("002", "a\nb", 3)]
    assert records[0].document == {"sku": "001", "Título": "sábana", "precio": "12.90"}
    assert records[1].document["precio"] == ""
    [choice] = reader.fields
    assert (choice.id_field, choice.text_fields, choice.detected) == ("sku", ("Título",), True)


def test_bad_rows_with_exact_lines(read_catalog: ReadCatalog) -> None:
    lines = [
        b"id,title,note",
        b"1,good,x",
        b"2,too few",
        b"3,too,many,cells",
        b'4,"over',
        b'two lines, and too few"',
        b'5,"quoted "badly" here",x',
        b'6,"never closed,x',
        b"7,good,x",
        b"8,s\xe1bana,x",
        b",no id,x",
        b"10,,x",
        b",,",
        b"   ",
        b'11,"quotes ""doubled"", fine",x',
        b"12,carriage\rreturn,x",
        b'13,in"ch,x',
        b"14," + b"x" * 2000 + b",x",
        b'15,"' + b"\n" * 1200 + b"y",
    ]
    records, reader = read_catalog(b"\n".join(lines), "a.csv", max_record_bytes=1000)
    assert [(record.id, record.line) for record in records] == [
        ("1", 2), ("7", 9), ("11", 15), ("13", 17),
    ]  # fmt: skip
    assert records[2].text == 'quotes "doubled", fine'
    assert reader.rejects.path is not None
    assert [
        (int(line.split('"line": ')[1].split(",")[0]), line.split('"reason": "')[1].split('"')[0])
        for line in reader.rejects.path.read_text(encoding="utf-8").splitlines()
    ] == [
        (3, "malformed-row"),
        (4, "malformed-row"),
        (5, "malformed-row"),
        (7, "malformed-row"),
        (8, "malformed-row"),
        (10, "invalid-utf-8"),
        (11, "empty-id"),
        (12, "no-text"),
        (16, "malformed-row"),
        (18, "line-too-long"),
        (19, "malformed-row"),
        (1219 + 1 - 1, "malformed-row"),
    ]
    assert reader.rejects.first[RejectReason.INVALID_UTF8].detail == ("byte 0xe1 in column 'title'")


def test_an_open_quote_costs_one_row(read_catalog: ReadCatalog) -> None:
    rows = "".join(f"{n},good {n}\n" for n in range(500))
    content = "id,title\n" + 'x,"open\n' + rows
    for limit in (100, 10**6):
        records, reader = read_catalog(content.encode(), "a.csv", max_record_bytes=limit)
        assert len(records) == 500
        assert reader.rejects.counts == {RejectReason.MALFORMED_ROW: 1}
        assert "quote" in reader.rejects.first[RejectReason.MALFORMED_ROW].detail


def test_open_quotes_on_every_line_take_linear_time(read_catalog: ReadCatalog) -> None:
    # Each line leaves a quote open both when read alone and inside an open quote.
    content = b"id,title\n" + b'a","b\n' * (3 * MAX_ROW_LINES)
    records, reader = read_catalog(content, "a.csv")
    assert not records
    assert 0 < reader.rejects.total < 20


def test_separator_line_and_blank_lines_before_the_header(read_catalog: ReadCatalog) -> None:
    records, _ = read_catalog(b"\r\nsep=;\r\nid;title\r\n1;a,b\r\n", "a.csv")
    assert [(record.id, record.text, record.line) for record in records] == [("1", "a,b", 4)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\n\n", "no header"),
        (b"sep=;\n", "no header"),
        (b"id,t\xedtulo\n1,a\n", "header is not UTF-8.*iconv"),
        (b'id,"title\n1,a\n', "header cannot be read"),
        (b'id,"ti"tle"\n1,a\n', "header cannot be read"),
        (b"id," + b"x" * 2000 + b"\n1,a\n", "header cannot be read"),
        (b"a,b\n1,2\n", "looks like an id among a, b"),
        (b"id,title\n", "empty"),
    ],
)
def test_unusable_tables(
    content: bytes, message: str, read_catalog: ReadCatalog, tmp_path: Path
) -> None:
    with pytest.raises(CatalogError, match=message) as raised:
        read_catalog(content, "a.csv", max_record_bytes=1000)
    assert str(raised.value).startswith(str(tmp_path / "a.csv"))


def test_sniffing_looks_outside_quotes() -> None:
    assert sniff_delimiter('"a;b;c;d",e') == ","
    assert sniff_delimiter("one") == ","


def test_column_names_are_made_unique() -> None:
    assert unique_names([" a ", "", "a", "a_2", "a"]) == ["a", "column_2", "a_2", "a_2_2", "a_3"]
