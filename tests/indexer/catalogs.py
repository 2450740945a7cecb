"""Small catalogs, and a model that counts what it encodes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from indexer import SparseModel
from indexer.catalog import CatalogReader, RejectLog


def reader(path: Path, lines: list[Any], **options: Any) -> CatalogReader:
    """Write records (or raw lines) to a file, and open it."""
    return open_again(write_lines(path, lines), **options)


def write_lines(path: Path, lines: list[Any]) -> Path:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("".join(text + "\n" for text in texts), encoding="utf-8")
    return path


def open_again(path: Path, **options: Any) -> CatalogReader:
    return CatalogReader([path], **{"rejects": RejectLog(), **options})


def product(number: int, title: str = "queen sheet") -> dict[str, Any]:
    return {"id": f"p{number}", "title": title, "price": number}


class CountingModel:
    """A model that remembers the texts that it encoded, and may be interrupted."""

    def __init__(self, model: SparseModel, calls: int | None = None) -> None:
        self._model, self._calls = model, calls
        self.texts: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def encode_documents(self, texts: list[str], **options: Any) -> Any:
        if self._calls == 0:
            raise KeyboardInterrupt
        if self._calls is not None:
            self._calls -= 1
        self.texts += texts
        return self._model.encode_documents(texts, **options)
