from __future__ import annotations

import csv
from pathlib import Path

from training.learning_curve import draw, write_table

HISTORY = [
    {"step": 0, "ndcg mean": 0.1, "ndcg shop": 0.1, "active shop": 300.0},
    {"step": 10, "ranking": 1.25, "flops": 0.0, "zero_share": 0.5},
    {"step": 20, "ranking": 1e-7, "flops": 2.0, "zero_share": 0.0, "ndcg mean": 0.5},
]


def test_the_table_has_a_column_for_each_figure(tmp_path: Path) -> None:
    write_table(tmp_path / "curve.csv", HISTORY)
    with (tmp_path / "curve.csv").open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    assert [row["step"] for row in found] == ["0", "10", "20"]
    assert [row["ranking"] for row in found] == ["", "1.25", "1e-07"]
    assert [row["ndcg mean"] for row in found] == ["0.1", "", "0.5"]


def test_the_picture_is_a_png(tmp_path: Path) -> None:
    for history in (HISTORY, HISTORY[1:2], []):
        draw(tmp_path / "curve.png", history, "a recipe")
        assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
        (tmp_path / "curve.png").unlink()
