"""Real collections: the default model over every catalog at hand, with queries of real people."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.collections import CsrRows, Query
from benchmarks.stored_collection import StoredCollection, save_queries, write_collection

_ROOT = Path(__file__).resolve().parent.parent
_SPANISH = _ROOT / "training" / "evaluation" / "home_depot_es.tsv"
_HOME_DEPOT = "judged/home-depot/queries.jsonl.gz"
_WEIGHTED = ("splade-v3", "distilsplade-max")
_MOST_QUERIES = 1_200
_ENCODED_AT_ONCE = 4_096


def data_folder() -> Path:
    """Where real data lies: `SABANA_DATA`, or `../shared/data` beside the checkout."""
    return Path(os.environ.get("SABANA_DATA", _ROOT.parent / "shared" / "data"))


def missing_data() -> str | None:
    """Why real collections cannot be measured here, or None when they can."""
    folder = data_folder()
    if not (folder / "catalogs").is_dir():
        return f"there is no real data in {folder.name}/: set SABANA_DATA to its folder"
    return None


def read_documents(most: int) -> list[dict[str, str]]:
    """Documents of all catalogs and judged collections, evenly thinned to at most `most`.

    Returns:
        dictionaries of `id` and `text`, in the order of the files.
    """
    folder = data_folder()
    paths = [*sorted(folder.glob("catalogs/*.jsonl.gz"))]
    paths += sorted(folder.glob("judged/*/corpus.jsonl.gz"))
    found = [
        {"id": f"{path.parent.name}/{path.stem}/{number}", "text": text}
        for path in paths
        for number, record in enumerate(_json_lines(path))
        if (text := _text(record))
    ]
    if len(found) <= most:
        return found
    return [found[at] for at in np.linspace(0, len(found) - 1, most).astype(int)]


def read_queries() -> dict[str, list[str]]:
    """Texts of real queries by set: Home Depot's shoppers, and the same in Spanish."""
    english = [record["text"] for record in _json_lines(data_folder() / _HOME_DEPOT)]
    with _SPANISH.open(encoding="utf-8", newline="") as lines:
        spanish = [row["text"] for row in csv.DictReader(lines, delimiter="\t")]
    return {"home-depot": _thinned(english), "home-depot-es": _thinned(spanish)}


def real_collection(most: int, cache: Path) -> StoredCollection:
    """All real documents, or `most` of them, encoded by the default model.

    Kept in the cache by the fingerprint of the model and the texts: encoding takes minutes.
    """
    from indexer.model import SparseModel

    documents = read_documents(most)
    texts = [document["text"] for document in documents]
    model = SparseModel.load()
    digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    folder = cache / f"real-{model.fingerprint[:12]}-{digest[:12]}-{len(texts)}"
    width = model.vocabulary_size
    if not folder.exists():
        write_collection(folder, _encoded(model, texts), width, model.static_weights.astype(float))
    collection = StoredCollection("real", folder, len(texts), width, is_synthetic=False)
    for name, queries in read_queries().items():
        if not collection.query_file(name).exists():
            save_queries(_rows(model.encode_query(queries)), collection.query_file(name))
    for name in _WEIGHTED:
        if not collection.query_file(name).exists():
            save_queries(_weighted_queries(name, model), collection.query_file(name))
    return collection


def _encoded(model: Any, texts: Sequence[str]) -> Iterator[CsrRows]:
    for first in range(0, len(texts), _ENCODED_AT_ONCE):
        matrix = model.encode_document(texts[first : first + _ENCODED_AT_ONCE])
        yield CsrRows(
            matrix.indptr.astype(np.int64),
            matrix.indices.astype(np.int32),
            matrix.data.astype(np.float32),
        )


def _weighted_queries(name: str, model: Any) -> list[Query]:
    """Queries that another model expanded; pieces that the vocabulary lacks are left out."""
    known = {model.token(term): term for term in range(model.vocabulary_size)}
    path = data_folder() / "sparse-queries" / f"msmarco-dev.{name}.jsonl.gz"
    queries = []
    for record in _thinned(list(_json_lines(path))):
        weights = {
            known[piece]: weight / 100
            for piece, weight in record["weights"].items()
            if piece in known
        }
        terms = np.array(sorted(weights), np.int32)
        queries.append((terms, np.array([weights[term] for term in terms.tolist()], np.float64)))
    return queries


def _rows(matrix: Any) -> list[Query]:
    matrix.sort_indices()
    return [
        (row.indices.astype(np.int32), row.data.astype(np.float64))
        for row in (matrix[at] for at in range(matrix.shape[0]))
    ]


def _thinned(found: list[Any]) -> list[Any]:
    """Evenly chosen, so that both those measured and those for tuning are of all kinds."""
    if len(found) <= _MOST_QUERIES:
        return found
    return [found[at] for at in np.linspace(0, len(found) - 1, _MOST_QUERIES).astype(int)]


def _text(record: dict[str, Any]) -> str:
    """What is encoded: the title, and a description or a passage where there is one."""
    parts = (record.get(name) for name in ("title", "description", "text"))
    return " ".join(str(part) for part in parts if part)


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
