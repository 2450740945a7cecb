"""`engine compact`: told what it gave back, and what it found compact."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import SearchEngine
from engine.storage.writer_lock import writer_lock
from tests.engine.cli.commands import engine
from tests.engine.cli.small_index import COUNT, DELETED, write_small_index


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_small_index(tmp_path)


def test_compact(path: Path) -> None:
    before = (path / "data.mdb").stat().st_size
    outcome = engine("compact", cwd=path.parent)
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[0].startswith("Compacted engine.index in ")
    assert lines[1].startswith("size       ")
    assert lines[3:] == [
        f"documents  {COUNT - DELETED}",
        f"dropped    {DELETED} deleted documents",
    ]
    after = (path / "data.mdb").stat().st_size
    assert after < before
    outcome = engine("compact", cwd=path.parent)
    assert outcome.out.startswith("engine.index is compact already: ")
    with SearchEngine.open(path) as opened:
        assert len(opened) == COUNT - DELETED


def test_compact_for_programs(path: Path) -> None:
    before = (path / "data.mdb").stat().st_size
    answer = engine("compact", "--json", cwd=path.parent).json
    assert answer.pop("seconds") >= 0
    assert answer.pop("segments_before") >= 1
    after = (path / "data.mdb").stat().st_size
    assert answer == {
        "index": "engine.index",
        "changed": True,
        "documents": COUNT - DELETED,
        "dropped": DELETED,
        "segments": 1,
        "bytes_before": before,
        "bytes": after,
    }
    answer = engine("compact", "--json", cwd=path.parent).json
    assert (answer["changed"], answer["dropped"], answer["bytes"]) == (False, 0, after)


def test_what_cannot_be_compacted(path: Path, tmp_path: Path) -> None:
    engine("compact", "--index", "nothing", cwd=tmp_path).fails(2, "no index at")
    with writer_lock(path):
        engine("compact", cwd=tmp_path).fails(1, "another writer is at work")
        engine("compact", "--wait", "0.2", cwd=tmp_path).fails(1, "still at work after 0.2 s")
    engine("compact", "--wait", "-1", cwd=tmp_path).fails(2, "--wait")
