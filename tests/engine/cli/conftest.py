from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engine.cli.commands import CommandServer, Outcome, engine
from tests.indexer.model.tiny_models import write_model

PRODUCTS: list[dict[str, object]] = [
    {
        "id": "S1",
        "title": "Queen cotton sheet",
        "description": "Soft sheet for a queen bed, in white cotton with a deep hem all around.",
        "brand": "Almarena",
        "price": 34.99,
        "in_stock": True,
    },
    {"id": "S2", "title": "Sábana de algodón queen", "brand": "Dormilane", "price": 29},
    {"id": "P1", "title": "Phone case, clear", "brand": "Cellora", "price": 9.5, "in_stock": False},
    {"id": "P2", "title": "Leather phone wallet", "colours": ["red", "black"], "size": {"cm": 14}},
    {"id": "K1", "title": "Cast iron skillet", "brand": "Hornera", "price": 41.0},
    {"id": "K2", "title": "Sartén de hierro", "brand": "Hornera", "price": 38.0},
    {"id": "G1", "title": "Garden hose, 20 m", "brand": "Barrolino"},
    {"id": "T1", "title": "Wooden train set", "brand": "Juguelo"},
    {"id": "B1", "title": "Toalla de baño azul", "brand": "Almarena"},
    {"id": "J1", "title": "日本の枕カバー 綿100%", "brand": "枕"},
]


def write_catalog(path: Path, products: list[dict[str, object]]) -> Path:
    lines = [json.dumps(product, ensure_ascii=False) + "\n" for product in products]
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `catalog.jsonl` and `engine.index`, made with the embedded default model."""
    folder = tmp_path_factory.mktemp("shop")
    write_catalog(folder / "catalog.jsonl", PRODUCTS)
    made = engine("index", "catalog.jsonl", cwd=folder)
    assert made.code == 0, made.err
    (folder / "summary.txt").write_text(made.out, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Outcome]]:
    """Runs commands in new processes that need not load torch again."""
    server = CommandServer(tmp_path_factory.mktemp("server"))
    yield server
    server.close()
