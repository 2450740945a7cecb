from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.end_to_end import main, measure
from benchmarks.real_collection import (
    missing_data,
    read_documents,
    read_queries,
    real_collection,
)
from benchmarks.scales import REAL_QUERIES
from benchmarks.stored_collection import load_queries


def _write(path: Path, *records: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as lines:
        lines.writelines(json.dumps(record) + "\n" for record in records)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder like that of real data, with made-up contents."""
    folder = tmp_path / "data"
    _write(
        folder / "catalogs" / "shop.jsonl.gz",
        {"id": "1", "title": "red cotton sheet", "description": "queen size"},
        {"id": "2", "title": "garden hose"},
        {"id": "3", "title": ""},
    )
    _write(folder / "judged" / "home-depot" / "corpus.jsonl.gz", {"_id": "a", "text": "steel nail"})
    _write(
        folder / "judged" / "home-depot" / "queries.jsonl.gz",
        {"_id": "q", "text": "sheet"},
        {"_id": "r", "text": "nails of steel"},
    )
    for name in ("splade-v3", "distilsplade-max"):
        _write(
            folder / "sparse-queries" / f"msmarco-dev.{name}.jsonl.gz",
            {"_id": "1", "weights": {"garden": 120, "hose": 50, "no such piece": 7}},
        )
    monkeypatch.setenv("SABANA_DATA", str(folder))
    return folder


def test_documents_are_read_and_thinned(data: Path) -> None:
    texts = [document["text"] for document in read_documents(10)]
    assert texts == ["red cotton sheet queen size", "garden hose", "steel nail"]
    assert len({document["id"] for document in read_documents(10)}) == 3
    assert [document["text"] for document in read_documents(2)] == [texts[0], texts[2]]


def test_queries_are_those_of_shoppers(data: Path) -> None:
    queries = read_queries()
    assert queries["home-depot"] == ["sheet", "nails of steel"]
    assert len(queries["home-depot-es"]) > 100


def test_encoded_collection_is_kept(data: Path, tmp_path: Path) -> None:
    collection = real_collection(10, tmp_path / "cache")
    rows = collection.rows()
    assert rows.documents == 3
    assert (np.diff(rows.indptr) > 0).all()
    written = (collection.folder / "data.npy").stat().st_mtime_ns
    assert real_collection(10, tmp_path / "cache") == collection
    assert (collection.folder / "data.npy").stat().st_mtime_ns == written
    for name in REAL_QUERIES:
        assert load_queries(collection.query_file(name))
    terms, weights = load_queries(collection.query_file("splade-v3"))[0]
    assert len(terms) == 2
    assert sorted(weights.tolist()) == [0.5, 1.2]


def test_end_to_end(data: Path, tmp_path: Path) -> None:
    report = measure(10, 2, 1, tmp_path / "cache")
    assert (report["documents"], report["queries"]) == (3, 2)
    assert report["ratio_to_kernel"] == pytest.approx(report["p50_us"] / report["kernel_p50_us"])
    assert list(report["stages_us"]) == [
        *("tokenize", "look up", "score", "fetch", "decode", "rest")
    ]


def test_without_data_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SABANA_DATA", str(tmp_path / "nowhere"))
    assert missing_data() == "there is no real data in nowhere/: set SABANA_DATA to its folder"
    assert main([]) == 1
    assert "set SABANA_DATA" in capsys.readouterr().err
