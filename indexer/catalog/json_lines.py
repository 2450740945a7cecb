"""JSON Lines: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from indexer.catalog.lines import Line
from indexer.catalog.record import BadRow, Refusal, Row
from indexer.catalog.rejects import RejectReason
from indexer.catalog.validity import MAX_NESTING, find_defect


def read_json_lines(lines: Iterable[Line]) -> Iterator[Row | BadRow]:
    """Yield a row for each line that is a JSON object, a bad row for each other; skip blank lines.

    Of a key that appears twice in an object the last value is taken, as usual.
    """
    for line in lines:
        raw = line.content
        if line.too_long:
            detail = f"the line has {line.length:,} bytes"
            yield BadRow(line.number, RejectReason.LINE_TOO_LONG, detail, raw)
            continue
        if not raw.strip():
            continue
        parsed = parse_object(raw)
        if isinstance(parsed, Refusal):
            yield BadRow(line.number, parsed.reason, parsed.detail, raw)
        else:
            yield Row(line.number, parsed, raw)


def parse_object(raw: bytes) -> dict[str, Any] | Refusal:
    """Parse the bytes of one line into a document that can be stored, or say why it is none."""
    try:
        # Files that were glued together have byte order marks in the middle, too.
        text = raw.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        return Refusal(
            RejectReason.INVALID_UTF8, f"byte 0x{raw[error.start]:02x} at position {error.start}"
        )
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        return Refusal(RejectReason.MALFORMED_JSON, f"{error.msg} at column {error.colno}")
    except RecursionError:
        detail = f"nested deeper than {MAX_NESTING} levels"
        return Refusal(RejectReason.MALFORMED_JSON, detail)
    except ValueError:
        # Python refuses to convert thousands of digits, which takes quadratic time.
        return Refusal(RejectReason.MALFORMED_JSON, "a whole number has thousands of digits")
    if not isinstance(value, dict):
        return Refusal(RejectReason.NOT_AN_OBJECT, f"the line is {_KINDS[type(value)]}")
    return find_defect(value) or value


_KINDS: dict[type, str] = {
    list: "a list",
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}
