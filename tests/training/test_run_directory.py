from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import EngineError, UsageError
from training.atomic_directory import replace_file
from training.run_directory import RunDirectory

IDENTITY = {"recipe": {"seed": 1, "optimizer": {"learning_rate": 1e-4}}, "data": ["a"]}


def other(**changes: object) -> dict[str, object]:
    return {**IDENTITY, **changes}


def test_the_life_of_a_run(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "x" / "run")
    assert run.begin(IDENTITY, restart=False) == "new"
    assert run.begin(IDENTITY, restart=False) == "unfinished"
    run.checkpoint.touch()
    run.model.mkdir()
    assert run.begin(IDENTITY, restart=False) == "unfinished"
    run.finish()
    assert not run.checkpoint.exists()
    assert run.begin(IDENTITY, restart=False) == "finished"


def test_half_a_checkpoint_of_a_killed_run_is_removed_and_the_one_before_stays(
    tmp_path: Path,
) -> None:
    run = RunDirectory(tmp_path)
    run.begin(IDENTITY, restart=False)
    run.checkpoint.write_text("whole")
    with pytest.raises(KeyboardInterrupt):
        replace_file(run.checkpoint, _interrupted)
    half = tmp_path / f".{run.checkpoint.name}.new"
    half.write_text("half")  # what is left where not even `finally` is reached
    assert run.begin(IDENTITY, restart=False) == "unfinished"
    assert not half.exists()
    assert run.checkpoint.read_text() == "whole"


def _interrupted(new: Path) -> None:
    new.write_text("half")
    raise KeyboardInterrupt


def test_another_run_is_refused_with_what_differs(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.begin(IDENTITY, restart=False)
    run.checkpoint.write_text("state")
    changed = {"seed": 2, "optimizer": {"learning_rate": 2e-4}}
    with pytest.raises(UsageError) as caught:
        run.begin(other(recipe=changed), restart=False)
    said = str(caught.value)
    assert "recipe.optimizer.learning_rate was 0.0001 and is 0.0002" in said
    assert "recipe.seed was 1 and is 2" in said
    assert "--restart" in said
    with pytest.raises(UsageError, match="data differs"):
        run.begin(other(data=["b"]), restart=False)
    assert run.checkpoint.read_text() == "state"


def test_a_run_that_came_to_nothing_gives_way(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.begin(IDENTITY, restart=False)
    assert run.begin(IDENTITY, restart=False) == "unfinished"
    assert run.begin(other(data=["b"]), restart=False) == "new"


@pytest.mark.parametrize("made", ["checkpoint", "mined", "model"])
def test_a_run_with_something_to_lose_stays(tmp_path: Path, made: str) -> None:
    run = RunDirectory(tmp_path)
    run.begin(IDENTITY, restart=False)
    getattr(run, made).mkdir()
    with pytest.raises(UsageError, match="data differs"):
        run.begin(other(data=["b"]), restart=False)
    assert getattr(run, made).exists()


def test_a_finished_run_whose_model_was_moved_away_stays(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.begin(IDENTITY, restart=False)
    run.finish()
    with pytest.raises(UsageError, match="data differs"):
        run.begin(other(data=["b"]), restart=False)


def test_restarting_sets_a_model_aside(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    for number in (1, 2):
        run.begin(other(data=[number]), restart=True)
        run.model.mkdir()
        (run.model / "mark").write_text(str(number))
        run.checkpoint.touch()
        run.mined.mkdir()
    assert run.begin(other(data=[3]), restart=True) == "new"
    assert not run.checkpoint.exists()
    assert not run.mined.exists()
    assert (tmp_path / "model-1" / "mark").read_text() == "1"
    assert (tmp_path / "model-2" / "mark").read_text() == "2"
    assert not run.model.exists()


def test_a_model_of_unknown_origin_is_left_alone(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.model.mkdir()
    with pytest.raises(UsageError, match="is there already"):
        run.begin(IDENTITY, restart=False)
    assert run.begin(IDENTITY, restart=True) == "new"
    assert (tmp_path / "model-1").is_dir()


@pytest.mark.parametrize("content", ["", "[]", '{"identity": 3, "finished": true}', "{}"])
def test_a_damaged_record(tmp_path: Path, content: str) -> None:
    run = RunDirectory(tmp_path)
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(UsageError, match="is damaged"):
        run.begin(IDENTITY, restart=False)
    assert run.begin(IDENTITY, restart=True) == "new"


def test_a_place_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match="name another folder with --output"):
        RunDirectory(tmp_path / "file").begin(IDENTITY, restart=False)
    with (
        pytest.raises(EngineError, match="name another folder with --output"),
        RunDirectory(tmp_path / "file").locked(),
    ):
        pass


def test_one_run_at_a_time(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    with run.locked(), pytest.raises(EngineError, match="another run is at work"), run.locked():
        pass
    with run.locked():
        pass
