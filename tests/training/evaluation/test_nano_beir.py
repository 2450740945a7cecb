from __future__ import annotations

from pathlib import Path
from typing import Any

import huggingface_hub
import pyarrow as pa
import pytest
from pyarrow import parquet

from engine.errors import CatalogError
from tests.training.evaluation.small_collections import write
from training import load_collection
from training.evaluation.nano_beir import NAMES, full_name

ROWS: dict[str, list[dict[str, Any]]] = {
    "corpus": [{"_id": "d1", "text": "a passage"}, {"_id": "d2", "text": ""}],
    "queries": [{"_id": "q1", "text": "a question"}],
    "qrels": [{"query-id": "q1", "corpus-id": "d1"}],
}


def write_rows(folder: Path, rows: dict[str, list[dict[str, Any]]]) -> Path:
    for part, records in rows.items():
        path = folder / part / "train-00000-of-00001.parquet"
        path.parent.mkdir(parents=True)
        parquet.write_table(pa.Table.from_pylist(records), path)
    return folder


def serve(monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[tuple[Any, ...]]:
    asked: list[tuple[Any, ...]] = []

    def snapshot(name: str, **options: Any) -> str:
        asked.append((name, options))
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    return asked


def test_a_collection_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = serve(monkeypatch, write_rows(tmp_path / "hub", ROWS))
    monkeypatch.chdir(tmp_path)
    collection = load_collection("nanomsmarco")
    assert asked == [
        (
            "zeta-alpha-ai/NanoMSMARCO",
            {
                "repo_type": "dataset",
                "allow_patterns": ["corpus/*.parquet", "queries/*.parquet", "qrels/*.parquet"],
            },
        )
    ]
    assert collection.name == "NanoMSMARCO"
    assert (collection.ids, collection.texts) == (["d1"], ["a passage"])
    assert collection.judgments == {"q1": {"d1": 1.0}}
    assert [query.text for query in collection.queries] == ["a question"]


def test_names() -> None:
    assert len(NAMES) == 13
    assert full_name("NANOscifact") == "NanoSciFact"
    assert full_name("msmarco") is None


def test_what_has_another_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_rows(tmp_path / "hub", {**ROWS, "qrels": [{"query": "q1"}]})
    serve(monkeypatch, folder)
    with pytest.raises(CatalogError, match="has not the columns of NanoBEIR: KeyError"):
        load_collection("NanoNQ")
    write(folder / "qrels" / "train-00000-of-00001.parquet", "nonsense")
    with pytest.raises(CatalogError, match="zeta-alpha-ai/NanoNQ, qrels, cannot be read"):
        load_collection("NanoNQ")
    (folder / "qrels" / "train-00000-of-00001.parquet").unlink()
    with pytest.raises(CatalogError, match="has no qrels"):
        load_collection("NanoNQ")


def test_a_hub_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*arguments: Any, **options: Any) -> str:
        raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(CatalogError, match=r"NanoMSMARCO could not be fetched .*ConnectionError"):
        load_collection("NanoMSMARCO")
