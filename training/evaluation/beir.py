"""Collections in BEIR form: a folder with a corpus, queries and judgments ("qrels")."""

from __future__ import annotations

import math
import os
from pathlib import Path

from engine.errors import CatalogError, InputNotFoundError
from training.evaluation.collection import Collection, JudgedQuery
from training.evaluation.text_file import TextLine, find_file, read_text_lines

_CORPUS_FILES = ("corpus.jsonl", "catalog.jsonl")
_QUERY_FILES = ("queries.jsonl",)
_JUDGMENT_FILES = ("qrels/test.tsv", "qrels.tsv")
ID_FIELDS = ("_id", "id")
_BODY_FIELDS = ("text", "description")
# The graded gain is 2 to this power: beyond it, a relevance is no grade but something else.
_HIGHEST_RELEVANCE = 16.0


def read_beir(folder: str | os.PathLike[str]) -> Collection:
    """Read a collection: `corpus.jsonl`, `queries.jsonl`, `qrels/test.tsv` or `qrels.tsv`.

    Each may be gzip (then with `.gz`). The corpus has `_id`, `title` and `text`; a catalog with
    `id`, `title` and `description`, called `catalog.jsonl`, serves as well. Queries have `_id` and
    `text`, and may have `lang` or `kind`, by which figures are then given apart. Judgments are
    lines of query id, document id and relevance with tabs between, with a header or without.

    Raises:
        InputNotFoundError: there is no such folder, or it is a file.
        CatalogError: a file is missing or unreadable, or holds a bad line, which is named; or the
            judgments have nothing to do with the corpus and the queries.
    """
    path = Path(folder)
    if not path.is_dir():
        problem = f"{path} is a file" if path.exists() else f"there is no folder {path}"
        raise InputNotFoundError(f"{problem}: name the folder of a collection")
    corpus_file = find_file(path, _CORPUS_FILES)
    query_file = find_file(path, _QUERY_FILES)
    judgment_file = find_file(path, _JUDGMENT_FILES)
    corpus = _read_corpus(corpus_file)
    queries = _read_queries(query_file)
    judgments = _read_judgments(judgment_file)
    name = path.resolve().name
    collection = Collection(name, list(corpus), list(corpus.values()), queries, judgments)
    check_belongs_together(collection, str(judgment_file))
    return collection


def check_belongs_together(collection: Collection, judgments_from: str) -> None:
    """Refuse judgments that name no query and no document of the collection.

    Raises:
        CatalogError: they do.
    """
    if not any(query.judged_as in collection.judgments for query in collection.queries):
        raise CatalogError(f"{judgments_from} judges none of the queries: the files do not belong")
    known = set(collection.ids)
    if not any(id in known for judged in collection.judgments.values() for id in judged):
        raise CatalogError(f"{judgments_from} names no document of the corpus: the files differ")


def document_text(title: str | None, body: str | None) -> str:
    """Return what is encoded of a document: the title, a space and the text, as BEIR has it."""
    return f"{title or ''} {body or ''}".strip()


def _read_corpus(path: Path) -> dict[str, str]:
    corpus: dict[str, str] = {}
    for line in read_text_lines(path):
        record = line.json_object()
        id = line.identifier(record, ID_FIELDS)
        if id in corpus:
            raise line.error(f"the id {id!r} was there before")
        corpus[id] = document_text(
            line.string(record, ("title",)), line.string(record, _BODY_FIELDS)
        )
    if not corpus:
        raise CatalogError(f"{path}: the file holds no documents")
    return corpus


def _read_queries(path: Path) -> list[JudgedQuery]:
    queries: dict[str, JudgedQuery] = {}
    for line in read_text_lines(path):
        record = line.json_object()
        id = line.identifier(record, ID_FIELDS)
        if id in queries:
            raise line.error(f"the id {id!r} was there before")
        queries[id] = JudgedQuery(id, line.query_text(record, id), id, line.groups(record))
    if not queries:
        raise CatalogError(f"{path}: the file holds no queries")
    return list(queries.values())


def _read_judgments(path: Path) -> dict[str, dict[str, float]]:
    judgments: dict[str, dict[str, float]] = {}
    is_first = True
    for line in read_text_lines(path):
        fields = [field.strip() for field in line.text.split("\t")]
        if is_first and len(fields) == 3 and not _is_number(fields[2]):
            is_first = False
            continue
        is_first = False
        query_id, document_id, relevance = _judgment(line, fields)
        judged = judgments.setdefault(query_id, {})
        if judged.setdefault(document_id, relevance) != relevance:
            raise line.error(
                f"query {query_id!r} and document {document_id!r} were judged before, otherwise"
            )
    if not judgments:
        raise CatalogError(f"{path}: the file holds no judgments")
    return judgments


def _judgment(line: TextLine, fields: list[str]) -> tuple[str, str, float]:
    if len(fields) != 3 or not all(fields):
        raise line.error(
            f"a judgment is query id, document id and relevance with tabs between, not "
            f"{line.text[:80]!r}"
        )
    query_id, document_id, relevance = fields
    if not _is_number(relevance):
        raise line.error(f"the relevance is not a number but {relevance!r}")
    value = float(relevance)
    if value > _HIGHEST_RELEVANCE:
        raise line.error(f"a relevance is at most {_HIGHEST_RELEVANCE:g}, not {relevance}")
    return query_id, document_id, value


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
