from __future__ import annotations

from io import BytesIO

from hypothesis import given
from hypothesis import strategies as st

from engine.cli.query_lines import QueryLine, read_query_lines


def test_lines() -> None:
    stream = BytesIO(b"\xef\xbb\xbfone\r\n\n \t\ntwo \n\xff\nthree")
    assert list(read_query_lines(stream)) == [
        QueryLine(1, "one"),
        QueryLine(4, "two"),
        QueryLine(5, "\\xff", "the line is not valid UTF-8"),
        QueryLine(6, "three"),
    ]


def test_a_line_too_long_costs_only_itself() -> None:
    stream = BytesIO(b"a" * 1_000_000 + b"\nnext\n" + b"b" * 300_000)
    lines = list(read_query_lines(stream))
    assert [line.number for line in lines] == [1, 2, 3]
    assert [line.error is None for line in lines] == [False, True, False]
    assert len(lines[0].text) < 200


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    for line in read_query_lines(BytesIO(data)):
        assert line.text.strip() == line.text != "" or line.error
