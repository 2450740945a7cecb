"""The queries of `engine bench`: those of a file, or ones drawn from what the index holds."""

from __future__ import annotations

import contextlib
import gzip
import json
import random
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from engine import SearchEngine
from engine.cli.hits import headline
from engine.cli.query_lines import QueryLine, read_query_lines
from engine.document_sample import sample_documents
from engine.errors import EngineError, UsageError
from engine.named_files import reading_error
from engine.query_input import checked_text

_TEXT_FIELDS = ("text", "query")
_GZIP_MAGIC = b"\x1f\x8b"
STDIN = Path("-")
# Shoppers type about this many words.
_FEWEST_WORDS, _MOST_WORDS = 1, 5
_MOST_DRAWN = 1000
_SEED = 1


def read_queries(path: Path) -> list[str]:
    """Read the queries of a file, plain or gzip; `-` is standard input.

    What the first line is decides for all: a JSON object with `text` or `query`; columns between
    tabs, with a header that names `text` or `query`, or without one, then query id and text; or
    one query a line as it is.

    Raises:
        InputNotFoundError: there is no such file, or it is a folder.
        EngineError: the file cannot be read, holds no queries, or a bad line, which is named.
    """
    name = source_name(path)
    with _opened(path, name) as stream:
        try:
            queries = list(_texts(read_query_lines(stream), name))
        except (OSError, EOFError, zlib.error) as error:
            raise _unreadable(name, error) from error
    if not queries:
        raise EngineError(f"{name} holds no queries; give a file with one query a line")
    return queries


def source_name(path: Path) -> str:
    """Return what a file of queries is called in messages."""
    return "standard input" if path == STDIN else str(path)


@contextlib.contextmanager
def _opened(path: Path, name: str) -> Iterator[BinaryIO]:
    if path == STDIN:
        if sys.stdin is None:
            raise UsageError("standard input is closed; name a file with queries")
        yield sys.stdin.buffer
        return
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("rb"))
            packed = file.peek(len(_GZIP_MAGIC)).startswith(_GZIP_MAGIC)
        except OSError as error:
            raise _unreadable(name, error) from error
        yield cast(BinaryIO, stack.enter_context(gzip.GzipFile(fileobj=file)) if packed else file)


def _unreadable(name: str, error: Exception) -> EngineError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    kind = reading_error(error, EngineError)
    return kind(f"{name} cannot be read: {reason}")


def _texts(lines: Iterator[QueryLine], name: str) -> Iterator[str]:
    is_json = is_tabular = False
    columns: list[str] | None = None
    for at, line in enumerate(lines):
        where = f"{name}:{line.number}"
        if line.error is not None:
            raise EngineError(f"{where}: {line.error}")
        text = line.text
        if at == 0:
            is_json = text.startswith("{")
            is_tabular = not is_json and "\t" in text
            if is_tabular and not {*_columns(text)}.isdisjoint(_TEXT_FIELDS):
                columns = _columns(text)
                continue
        if is_json:
            text = _text_of(_json_object(text, where), where)
        elif is_tabular:
            text = _cell(_columns(text), columns, where)
        try:
            yield checked_text(text)
        except UsageError as error:
            raise EngineError(f"{where}: {error}") from error


def _columns(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("\t")]


def _cell(cells: list[str], header: list[str] | None, where: str) -> str:
    names = header or ["_id", "text"]
    if header:
        # Empty columns at the end went with the white space around the line.
        cells = cells + [""] * (len(header) - len(cells))
    if len(cells) != len(names):
        expected = "; ".join(names) if header else "query id and text with a tab between"
        raise EngineError(
            f"{where}: the line has {len(cells)} columns and not {len(names)}: {expected}"
        )
    return _text_of(dict(zip(names, cells, strict=True)), where)


def _json_object(line: str, where: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise EngineError(f"{where}: the line is no JSON: {error}") from None
    if not isinstance(record, dict):
        raise EngineError(f"{where}: the line is no JSON object")
    return record


def _text_of(record: dict[str, Any], where: str) -> str:
    name = next((name for name in _TEXT_FIELDS if record.get(name) is not None), None)
    if name is None:
        raise EngineError(f"{where}: the record has no field {' or '.join(_TEXT_FIELDS)}")
    text = record[name]
    if not isinstance(text, str):
        raise EngineError(f"{where}: field {name!r} is not text but {text!r}")
    return text


def draw_queries(engine: SearchEngine) -> list[str]:
    """Take the first words of titles of the index: up to 1,000 different ones, always the same.

    Raises:
        EngineError: it holds no documents with text.
    """
    draws = random.Random(_SEED)
    queries: dict[str, None] = {}
    for hit in sample_documents(engine, _MOST_DRAWN, _SEED):
        name, title = headline(hit.document, hit.id)
        words = title.split()[: draws.randint(_FEWEST_WORDS, _MOST_WORDS)]
        # Without a name it is no text of the document, and what is no query cannot be asked.
        with contextlib.suppress(UsageError):
            if name is not None:
                queries[checked_text(" ".join(words))] = None
    if not queries:
        raise EngineError(
            f"{engine.info().path} holds no documents with a text to draw queries from; name a "
            "file with --queries"
        )
    return list(queries)
