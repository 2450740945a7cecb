"""Windows of a catalog: bounded by what their records take, however it is stored in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from indexer import catalog_windows
from indexer.catalog_windows import CatalogWindows
from tests.indexer.catalogs import product, reader


@pytest.mark.parametrize(
    "large",
    [
        {"note": "x" * 1000},
        {"notes": ["x" * 500, "x" * 500]},
        {"note": {"en": {"long": ["x" * 1000]}}},
        {"note": {"x" * 1000: 1}},
        {"title": "x" * 1000},
        {"numbers": list(range(500))},
    ],
)
def test_large_records_make_small_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: dict[str, Any]
) -> None:
    monkeypatch.setattr(catalog_windows, "_WINDOW_CHARACTERS", 2500)
    lines = [product(at) | large for at in range(6)]
    windows = list(CatalogWindows(reader(tmp_path / "products.jsonl", lines)))
    assert [record.id for window in windows for record in window] == [f"p{at}" for at in range(6)]
    assert max(map(len, windows)) <= 2


def test_the_text_counts_beside_the_fields_that_it_was_made_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_windows, "_WINDOW_CHARACTERS", 3000)
    lines = [product(at, "x" * 1600) for at in range(3)]
    windows = list(CatalogWindows(reader(tmp_path / "products.jsonl", lines)))
    assert [len(window) for window in windows] == [1, 1, 1]


def test_small_records_fill_a_window(tmp_path: Path) -> None:
    lines = [product(at) | {"tags": ["a", "b"], "size": {"w": 1.5}} for at in range(5000)]
    windows = list(CatalogWindows(reader(tmp_path / "products.jsonl", lines)))
    assert [len(window) for window in windows] == [catalog_windows.WINDOW, 904]
