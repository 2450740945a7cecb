from __future__ import annotations

from pathlib import Path

import pytest
from ir_measures import read_trec_run

from engine.errors import EngineError, UsageError
from tests.training.evaluation.small_collections import in_memory
from training.evaluation.ranking import ScoredDocument
from training.evaluation.run_file import check_run, write_run


def test_a_run_that_other_tools_read(tmp_path: Path) -> None:
    path = tmp_path / "my.run"
    hits = [ScoredDocument("sábana", 2.5), ScoredDocument("b", 1 / 3)]
    write_run(path, {"q1/keywords": hits, "q2": []}, "a model")
    assert path.read_text(encoding="utf-8").splitlines() == [
        "q1/keywords Q0 sábana 1 2.5 a_model",
        "q1/keywords Q0 b 2 0.333333333 a_model",
    ]
    read = list(read_trec_run(str(path)))  # type: ignore[no-untyped-call]
    assert [(hit.query_id, hit.doc_id, hit.score) for hit in read] == [
        ("q1/keywords", "sábana", 2.5),
        ("q1/keywords", "b", 0.333333333),
    ]


def test_what_cannot_be_written_is_told_before(tmp_path: Path) -> None:
    good = in_memory({"q": {"a": 1.0}})
    check_run(tmp_path / "run", good)
    assert not (tmp_path / "run").exists()
    for path in (tmp_path, tmp_path / "nowhere" / "run"):
        with pytest.raises(UsageError, match="cannot be written: name a file"):
            check_run(path, good)
    for bad in (in_memory({"q 1": {"a": 1.0}}), in_memory({"q": {"a b": 1.0}})):
        with pytest.raises(UsageError, match="has a space in it"):
            check_run(tmp_path / "run", bad)
    with pytest.raises(EngineError, match="cannot be written"):
        write_run(tmp_path, {}, "tag")
