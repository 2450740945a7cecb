"""Tiny models and data to train with: a step takes milliseconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.indexer.model.tiny_models import MAX_LENGTH, masked_lm, save_tokenizer, write_model
from training.data.example import Example
from training.model.loading import load_trainable
from training.model.trainable import TrainableSparseModel

PAIRS = [
    ("sabana queen", "queen cotton sheet"),
    ("funda phone", "phone case"),
    ("de algodon", "a sheet of cotton"),
    ("case", "case for a phone!"),
    ("cotton?", "cotton, by the metre"),
    ("queen sheet", "sheet for a queen bed with a deep hem"),
    ("phone", "telephone and charger"),
    ("algodon sabana", "white cotton sheet"),
    ("red case", "leather case in red"),
    ("bed", "wooden bed"),
    ("cup", "a cup and a saucer"),
    ("hose", "garden hose"),
]
EXAMPLES = [Example(query, document) for query, document in PAIRS]


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def write_pairs(path: Path) -> Path:
    return write_rows(path, [{"query": query, "document": text} for query, text in PAIRS])


def write_masked_lm(directory: Path, architecture: str = "bert") -> Path:
    """A masked language model without anything of a sparse model."""
    masked_lm(architecture).save_pretrained(str(directory))
    save_tokenizer(directory, max_length=MAX_LENGTH, truncating=False)
    return directory


def write_collection(folder: Path) -> Path:
    """A judged collection in BEIR form: the pairs above."""
    folder.mkdir(parents=True)
    documents = [{"_id": f"d{at}", "text": text} for at, (_, text) in enumerate(PAIRS)]
    queries = [{"_id": f"q{at}", "text": text} for at, (text, _) in enumerate(PAIRS)]
    write_rows(folder / "corpus.jsonl", documents)
    write_rows(folder / "queries.jsonl", queries)
    lines = [f"q{at}\td{at}\t1\n" for at in range(len(PAIRS))]
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines))
    return folder


def sparse_model(directory: Path, **settings: Any) -> TrainableSparseModel:
    """A trainable model loaded from a tiny sparse one, without dropout."""
    model = load_trainable(str(write_model(directory, **settings)), max_length=MAX_LENGTH)
    model.eval()
    return model
