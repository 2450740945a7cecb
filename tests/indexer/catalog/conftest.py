from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from indexer.catalog import CatalogReader, CatalogRecord, RejectLog

ReadCatalog = Callable[..., tuple[list[CatalogRecord], CatalogReader]]


@pytest.fixture
def read_catalog(tmp_path: Path) -> ReadCatalog:
    """Writes bytes to a file, reads it, and returns the records and the spent reader."""

    def read(
        content: bytes, name: str = "catalog.jsonl", **options: Any
    ) -> tuple[list[CatalogRecord], CatalogReader]:
        path = tmp_path / name
        path.write_bytes(content)
        reader = CatalogReader([path], rejects=RejectLog(tmp_path / "rejects.jsonl"), **options)
        try:
            return list(reader), reader
        finally:
            reader.rejects.close()

    return read
