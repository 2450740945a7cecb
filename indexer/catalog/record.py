"""What flows through the reader: rows of a file, and the records made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from indexer.catalog.rejects import RejectReason


@dataclass(frozen=True, slots=True)
class CatalogRecord:
    """One product, ready to be encoded and stored.

    Attributes:
        id: the id as text, verbatim; whole numbers become their decimal text. At most 65,535
            bytes of UTF-8, never blank.
        text: the text fields in order, joined with one space; what the model encodes.
        document: every field of the record as it was given. `json.dumps(document,
            ensure_ascii=False)` always works and is always valid UTF-8 and valid JSON.
        source: the file name as the user gave it, `<stdin>` for standard input.
        line: where the record begins, counted from 1: a line of the file (for Parquet a row).
    """

    id: str
    text: str
    document: dict[str, Any]
    source: str
    line: int


class Row(NamedTuple):
    """One well-formed entry of a file, before an id and a text are looked for in it."""

    line: int
    document: dict[str, Any]
    raw: bytes | None
    """The bytes it was read from, for the rejects file; None where there is no such thing."""


class BadRow(NamedTuple):
    """One entry of a file that could not be read."""

    line: int
    reason: RejectReason
    detail: str
    raw: bytes


class Refusal(NamedTuple):
    """Why something inside a row is not acceptable."""

    reason: RejectReason
    detail: str
