from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.collections import CollectionShape, SyntheticCollection
from benchmarks.effort import Effort
from benchmarks.engines import CONTENDERS
from benchmarks.first_answer import first_answer_seconds
from benchmarks.stored_collection import save_queries


def test_fresh_processes_answer(tmp_path: Path) -> None:
    source = SyntheticCollection(CollectionShape(15, vocabulary_size=400, topics=5))
    CONTENDERS["scipy"]().build(source.documents(50), 400, tmp_path)
    save_queries(source.queries(2, 3), tmp_path / "queries.npz")
    times = first_answer_seconds(
        "scipy", tmp_path, tmp_path / "queries.npz", Effort(first_answers=2)
    )
    assert times is not None
    assert len(times["all"]) == 3
    assert times["median"] == np.median(times["all"][1:])


def test_a_process_that_fails_gives_no_figure(tmp_path: Path) -> None:
    effort = Effort(first_answers=1)
    assert first_answer_seconds("scipy", tmp_path, tmp_path / "none.npz", effort) is None
