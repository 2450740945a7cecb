"""Small collections, as files and in memory."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from training.evaluation.collection import Collection, JudgedQuery
from training.evaluation.ranking import Ranking, ScoredDocument

WORDS = ["sabana", "queen", "cotton", "sheet", "phone", "case", "algodon", "lid", "mug", "hat"]

CORPUS: list[dict[str, Any]] = [
    {"_id": "d1", "title": "Queen cotton sheet", "text": "white"},
    {"_id": "d2", "title": "", "text": "phone case"},
    {"_id": "d3", "title": "sabana", "text": ""},
]
QUERIES: list[dict[str, Any]] = [
    {"_id": "q1", "text": "queen sheet"},
    {"_id": "q2", "text": "phone"},
    {"_id": "q3", "text": "nothing that is judged"},
]
JUDGMENTS = "query-id\tcorpus-id\tscore\nq1\td1\t3\nq1\td3\t1.33\nq2\td2\t1\nq2\td1\t0\n"


def write(path: Path, content: str | bytes) -> Path:
    """Write a file, as gzip where its name ends in .gz."""
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def json_lines(records: Iterable[object]) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def write_collection(
    folder: Path,
    *,
    corpus: Iterable[object] = CORPUS,
    queries: Iterable[object] = QUERIES,
    judgments: str = JUDGMENTS,
) -> Path:
    write(folder / "corpus.jsonl", json_lines(corpus))
    write(folder / "queries.jsonl", json_lines(queries))
    write(folder / "qrels.tsv", judgments)
    return folder


def in_memory(
    judgments: Mapping[str, Mapping[str, float]],
    ids: Iterable[str] = (),
    groups: Mapping[str, tuple[str, ...]] | None = None,
) -> Collection:
    """A collection of judgments alone, for what looks at no text."""
    known = list(dict.fromkeys([*ids, *(id for judged in judgments.values() for id in judged)]))
    queries = [JudgedQuery(id, f"text of {id}", id, (groups or {}).get(id, ())) for id in judgments]
    return Collection("small", known, [f"text of {id}" for id in known], queries, judgments)


def random_collection(documents: int, queries: int, seed: int = 0) -> Collection:
    """Texts of random words; relevant, 1 to 3, are some that share a word, and another."""
    chance = random.Random(seed)
    texts = [" ".join(chance.choices(WORDS, k=chance.randint(2, 9))) for _ in range(documents)]
    ids = [f"d{at}" for at in range(documents)]
    asked, judgments = [], {}
    for at in range(queries):
        text = " ".join(chance.sample(WORDS, chance.randint(1, 4)))
        asked.append(JudgedQuery(f"q{at}", text, f"q{at}"))
        words = set(text.split())
        matching = [id for id, one in zip(ids, texts, strict=True) if words & set(one.split())]
        relevant = {*chance.sample(matching, len(matching) // 3), chance.choice(ids)}
        best = chance.randint(1, 3)
        judgments[f"q{at}"] = {id: float(chance.randint(1, best)) for id in sorted(relevant)}
    return Collection("random", ids, texts, asked, judgments)


def ranking(*ids: str) -> Ranking:
    """A ranking without ties."""
    return [ScoredDocument(id, float(len(ids) - at)) for at, id in enumerate(ids)]
