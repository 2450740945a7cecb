from __future__ import annotations

import pytest

from training.dev_set import DevFigures
from training.progress import Progress, Window


def test_a_window_gives_means_and_begins_again() -> None:
    window = Window()
    window.add({"ranking": 1.0}, 0.5)
    window.add({"ranking": 2.0}, 0.0)
    window.steps += 1
    told = window.progress(5, 10)
    assert told.losses == {"ranking": 1.5}
    assert told.zero_share == 0.25
    assert told.steps_per_second > 0
    window.clear()
    assert window.progress(5, 10).losses == {}


def test_a_row_of_the_learning_curve() -> None:
    figures = DevFigures(0.5, {"shop": 0.5}, {"shop": 120.0})
    assert Progress(4, 9, {"ranking": 1.0}, 0.1, 2.0, figures).row() == pytest.approx(
        {
            "step": 4,
            "ranking": 1.0,
            "zero_share": 0.1,
            "ndcg mean": 0.5,
            "ndcg shop": 0.5,
            "active shop": 120.0,
        }
    )
    assert Progress(0, 9, {}, 0.0, 0.0, figures).row().keys() == {
        "step",
        "ndcg mean",
        "ndcg shop",
        "active shop",
    }
