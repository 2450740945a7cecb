"""Files of query texts that take the place of a collection's own, such as translations."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from engine.errors import CatalogError
from training.evaluation.beir import ID_FIELDS
from training.evaluation.collection import Collection, JudgedQuery
from training.evaluation.text_file import TextLine, read_text_lines

_QUERY_ID_FIELDS = (*ID_FIELDS, "query-id", "query_id")


class _Wording(NamedTuple):
    line: TextLine
    query_id: str
    text: str
    groups: tuple[str, ...]


def with_query_texts(collection: Collection, path: str | os.PathLike[str]) -> Collection:
    """Return the collection with the query texts of a file; the judgments stay.

    The file is JSON Lines with a query id (`_id`, `id` or `query-id`), `text` and, if wanted,
    `kind` or `lang`; or tab-separated with a header that names these columns, or without one, then
    of query id and text. A query may occur once for each kind; its id in runs is then
    `QUERY-ID/KIND`. Queries of the collection that are not in the file are left out.

    Raises:
        InputNotFoundError: there is no such file, or it is a folder.
        CatalogError: the file cannot be read, or holds a bad line, which is named.
    """
    known = {query.judged_as for query in collection.queries}
    wordings: dict[str, JudgedQuery] = {}
    for line, query_id, text, groups in _read(Path(path)):
        if query_id not in known:
            raise line.error(f"{collection.name} has no query {query_id!r}")
        id = "/".join((query_id, *groups))
        if id in wordings:
            raise line.error(f"query {id!r} was there before")
        wordings[id] = JudgedQuery(id, text, query_id, groups)
    if not wordings:
        raise CatalogError(f"{path}: the file holds no queries")
    return replace(collection, queries=list(wordings.values()))


def _read(path: Path) -> Iterator[_Wording]:
    header: list[str] | None = None
    is_json = False
    for at, line in enumerate(read_text_lines(path)):
        if at == 0:
            is_json = line.text.lstrip().startswith("{")
        if is_json:
            yield _wording(line, line.json_object())
            continue
        fields = [field.strip() for field in line.text.split("\t")]
        if at == 0 and "text" in fields and set(_QUERY_ID_FIELDS) & set(fields):
            header = fields
            continue
        names = header or ["_id", "text"]
        if len(fields) != len(names):
            raise line.error(
                f"the line has {len(fields)} fields and not {len(names)}: "
                + ("; ".join(names) if header else "query id and text with a tab between")
            )
        yield _wording(line, dict(zip(names, fields, strict=True)))


def _wording(line: TextLine, record: dict[str, object]) -> _Wording:
    query_id = line.identifier(record, _QUERY_ID_FIELDS)
    return _Wording(line, query_id, line.query_text(record, query_id), line.groups(record))
