"""Reading training examples: JSON Lines or tab-separated, plain or gzip."""

from __future__ import annotations

import gzip
import json
import math
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from engine.errors import CatalogError, InputNotFoundError, UsageError
from engine.named_files import NO_FILE_THERE
from training.data.example import Example

_TABULAR = (".tsv", ".txt")
_NAMES = ("query", "document", "negatives", "scores", "key", "teacher_query")
_NAMES_SHOWN = 5


def read_examples(
    path: str | os.PathLike[str], warn: Callable[[str], None] | None = None
) -> Iterator[Example]:
    """Yield the examples of a file.

    A name that ends in .tsv or .txt (or these and .gz) is tab-separated: query, document, then
    negatives; a first line that begins with the names `query` and `document` is a header. All
    others are JSON Lines: objects with `query`, `document` and, as far as there are any,
    `negatives`, `scores`, `key`, `teacher_query` (see `Example`). An unusable row is left out and
    told to `warn` with file and line; with `warn` None it is an error.

    Raises:
        UsageError: it is a folder or a .csv file.
        InputNotFoundError: there is no such file.
        CatalogError: the file cannot be read, or holds an unusable row while `warn` is None.
    """
    file = Path(path)
    if file.is_dir():
        raise UsageError(f"{file} is a folder: name its files")
    name = file.name.lower().removesuffix(".gz")
    if name.endswith(".csv"):
        raise UsageError(f"{file}: pairs are read from JSON Lines, .tsv or .txt, not from .csv")
    parse = _from_columns if name.endswith(_TABULAR) else _from_json
    for number, line in _lines(file):
        if not line.strip():
            continue
        if parse is _from_columns and number == 1 and line.split("\t")[:2] == ["query", "document"]:
            continue
        try:
            yield parse(line)
        except ValueError as error:
            message = f"{file}, line {number}: {error}"
            if warn is None:
                raise CatalogError(message) from error
            warn(message)


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    try:
        with file.open("rb") as raw:
            packed = raw.peek(2)[:2] == b"\x1f\x8b"
        with gzip.open(file) if packed else file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
    except NO_FILE_THERE as error:
        raise InputNotFoundError(f"there is no file {file}") from error
    except UnicodeDecodeError as error:
        raise CatalogError(f"{file}, line {number}: the text is not valid UTF-8") from error
    except (OSError, EOFError, zlib.error) as error:
        raise CatalogError(f"{file} cannot be read ({error})") from error


def _from_columns(line: str) -> Example:
    columns = [column.strip() for column in line.split("\t")]
    if len(columns) < 2:
        raise ValueError("expected a query and a document, separated by a tab")
    return _example({"query": columns[0], "document": columns[1], "negatives": columns[2:]})


def _from_json(line: str) -> Example:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"this is no JSON ({error})") from error
    if not isinstance(row, dict):
        raise ValueError("expected a JSON object with query and document")
    return _example(row)


def _example(row: dict[str, Any]) -> Example:
    query, document = _text(row, "query"), _text(row, "document")
    if not query or not document:
        raise ValueError(f"the {'document' if query else 'query'} is missing or empty{_has(row)}")
    negatives = row.get("negatives") or ()
    if not isinstance(negatives, list | tuple) or not all(isinstance(n, str) for n in negatives):
        raise ValueError("negatives must be a list of texts")
    scores = row.get("scores") or ()
    if not isinstance(scores, list | tuple) or not all(_is_number(score) for score in scores):
        raise ValueError("scores must be a list of finite numbers")
    if scores and len(scores) != 1 + len(negatives):
        raise ValueError(
            f"there are {len(scores)} scores for a document and {len(negatives)} negatives: "
            "give one for each, the document's first"
        )
    kept = [
        at
        for at, negative in enumerate(negatives)
        if negative.strip() and negative.strip() != document
    ]
    return Example(
        query=query,
        document=document,
        negatives=tuple(negatives[at].strip() for at in kept),
        scores=tuple(float(scores[at]) for at in (0, *(1 + each for each in kept)) if scores),
        key=_text(row, "key"),
        teacher_query=_text(row, "teacher_query"),
    )


def _has(row: dict[str, Any]) -> str:
    """Tell which names a row has that say nothing here: one of them may be meant."""
    others = [name for name in row if name not in _NAMES]
    return f" (the row has {', '.join(others[:_NAMES_SHOWN])})" if others else ""


def _text(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a text")
    return value.strip()


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
