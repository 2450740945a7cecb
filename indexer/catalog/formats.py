"""Which format a catalog file has: its first bytes decide, then its name."""

from __future__ import annotations

import re
from enum import Enum

from engine.errors import CatalogError
from indexer.catalog.aliases import ID_ALIASES, TEXT_ALIASES, normalise
from indexer.catalog.lines import UTF8_BOM

DELIMITERS = ",;\t|"
"""Separators of delimited text, the likelier first."""

GZIP_MAGIC = b"\x1f\x8b"
PARQUET_MAGIC = b"PAR1"

_UNREADABLE = {
    GZIP_MAGIC: ("compressed twice with gzip", "Decompress it once: gunzip FILE."),
    b"PK\x03\x04": (
        "a zip archive or a spreadsheet",
        "Unpack it, or save the sheet as CSV in UTF-8.",
    ),
    b"\x28\xb5\x2f\xfd": ("compressed with zstd", "Pipe it in: zstd -dc FILE | engine index -."),
    b"BZh": ("compressed with bzip2", "Pipe it in: bzip2 -dc FILE | engine index -."),
    b"\xfd7zXZ\x00": ("compressed with xz", "Pipe it in: xz -dc FILE | engine index -."),
    b"\xff\xfe": ("in UTF-16", "Convert it: iconv -f UTF-16 -t UTF-8 FILE."),
    b"\xfe\xff": ("in UTF-16", "Convert it: iconv -f UTF-16 -t UTF-8 FILE."),
}

_JSON_SUFFIXES = (".jsonl", ".ndjson", ".json", ".jl")
_ARRAY = re.compile(rb"\s*\[\s*(\{|$)")
_OBJECT_OVER_SEVERAL_LINES = re.compile(rb'\s*\{[ \t\r]*\n\s*"')


class CatalogFormat(Enum):
    """The formats that catalogs are read from."""

    JSON_LINES = "JSON Lines"
    DELIMITED = "delimited text"
    PARQUET = "Parquet"


def detect_format(head: bytes, name: str, chosen_fields: tuple[str, ...] = ()) -> CatalogFormat:
    """Return the format of a file from its decompressed beginning and its name.

    What begins with `{` is JSON Lines whatever its name is. Otherwise `.csv` and `.tsv` are
    delimited text, and so is standard input, or a file whose name tells nothing, if its first
    line has a separator and names a known field or one of `chosen_fields`. All the rest is taken
    for JSON Lines.

    Raises:
        CatalogError: the file is of a kind that is not read; the message says how to convert it.
    """
    if head.startswith(PARQUET_MAGIC):
        return CatalogFormat.PARQUET
    for magic, (kind, remedy) in _UNREADABLE.items():
        if head.startswith(magic):
            raise CatalogError(f"{name}: the file is {kind}. {remedy}")
    suffix = suffix_of(name)
    if suffix == ".parquet":
        raise CatalogError(f"{name}: this is no Parquet file. Export it again.")
    text = head.removeprefix(UTF8_BOM)
    if _OBJECT_OVER_SEVERAL_LINES.match(text):
        raise CatalogError(
            f"{name}: objects are spread over several lines. Put one on each line: "
            "jq -c . FILE > catalog.jsonl"
        )
    if text.lstrip().startswith(b"{"):
        return CatalogFormat.JSON_LINES
    if suffix in (".csv", ".tsv", ".tab"):
        return CatalogFormat.DELIMITED
    if _ARRAY.match(text):
        raise CatalogError(
            f"{name}: the file is one JSON array. Put one object on each line: "
            "jq -c '.[]' FILE > catalog.jsonl"
        )
    # A broken first line must not make a table of a file that says what it is.
    if suffix not in _JSON_SUFFIXES and _looks_like_header(text, chosen_fields):
        return CatalogFormat.DELIMITED
    return CatalogFormat.JSON_LINES


def suffix_of(name: str) -> str:
    """Return the last extension of `name` in lower case, `.gz` left out of account."""
    lowered = name.lower().removesuffix(".gz")
    return lowered[lowered.rfind(".") :] if "." in lowered else ""


def _looks_like_header(text: bytes, chosen_fields: tuple[str, ...]) -> bool:
    first_line = text.lstrip().split(b"\n", 1)[0].decode("utf-8", "replace")
    known = ID_ALIASES | TEXT_ALIASES
    for delimiter in DELIMITERS:
        cells = [cell.strip().strip('"') for cell in first_line.split(delimiter)]
        if len(cells) > 1 and any(
            cell in chosen_fields or normalise(cell) in known for cell in cells
        ):
            return True
    return False
