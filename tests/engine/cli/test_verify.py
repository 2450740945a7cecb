"""`engine verify`: sound and silent, or each damage a line and status 1."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.engine.cli.commands import engine
from tests.engine.cli.small_index import COUNT, DELETED, damage_documents, write_small_index


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_small_index(tmp_path)


@pytest.mark.parametrize("deep", [[], ["--deep"]])
def test_a_sound_index(path: Path, deep: list[str]) -> None:
    outcome = engine("verify", *deep, cwd=path.parent)
    assert (outcome.code, outcome.err) == (0, "")
    line = rf"engine\.index is sound: {COUNT - DELETED} documents in \d+ segments?, [\d.]+ kB read"
    assert re.match(line, outcome.out)
    assert outcome.out.count("\n") == 1
    answer = engine("verify", *deep, "--json", "--index", path, cwd=Path("/")).json
    assert answer["index"] == str(path)
    assert answer["sound"] is True
    assert answer["deep"] == bool(deep)
    assert answer["damages"] == []
    assert answer["documents"] == COUNT - DELETED
    assert 0 < answer["bytes"] <= (path / "data.mdb").stat().st_size
    assert answer["segments"] >= 1
    assert answer["values"] > 10
    assert answer["seconds"] >= 0


def test_damage(path: Path) -> None:
    damage_documents(path)
    outcome = engine("verify", cwd=path.parent)
    assert outcome.code == 1
    assert re.fullmatch(r"segment \d+, documents: its checksum does not match\n", outcome.out)
    assert outcome.err == (
        "engine: engine.index is damaged in 1 place; restore it from a backup, or index again with "
        "--rebuild\n"
    )
    outcome = engine("verify", "--json", "--deep", cwd=path.parent)
    assert outcome.code == 1
    answer = json.loads(outcome.out)
    assert answer["sound"] is False
    (damage,) = answer["damages"]
    assert damage["part"].endswith(", documents")
    assert damage["problem"] == "its checksum does not match"


def test_a_truncated_file(path: Path) -> None:
    with (path / "data.mdb").open("r+b") as file:
        file.truncate(9000)
    outcome = engine("verify", cwd=path.parent)
    assert outcome.code == 1
    problem = r"pages: truncated: it has 9000 bytes, and page \d+ lies behind them\n"
    assert re.fullmatch(problem, outcome.out)
    # What the index knew of its model is gone with the rest.
    assert "index again with --rebuild --model NAME, as which model" in outcome.err


def test_no_index(tmp_path: Path) -> None:
    engine("verify", cwd=tmp_path).fails(2, "no index at engine.index")
