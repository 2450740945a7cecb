from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from training.atomic_directory import recover_directory, replace_directory, replace_file


def write(text: str) -> Callable[[Path], None]:
    def fill(directory: Path) -> None:
        (directory / "a").mkdir()
        (directory / "a" / "file").write_text(text)

    return fill


def test_the_new_takes_the_place_of_the_old(tmp_path: Path) -> None:
    target = tmp_path / "x" / "model"
    for text in ("one", "two"):
        replace_directory(target, write(text))
        assert (target / "a" / "file").read_text() == text
        assert [path.name for path in target.parent.iterdir()] == ["model"]


def test_a_failure_leaves_the_old(tmp_path: Path) -> None:
    target = tmp_path / "model"
    replace_directory(target, write("one"))

    def fail(directory: Path) -> None:
        (directory / "half").touch()
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        replace_directory(target, fail)
    assert (target / "a" / "file").read_text() == "one"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    def fail(new: Path) -> None:
        new.write_text("half")
        raise OSError("full")

    (tmp_path / "file").write_text("one")
    with pytest.raises(OSError, match="full"):
        replace_file(tmp_path / "file", fail)
    assert (tmp_path / "file").read_text() == "one"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_kill_between_the_renames_is_mended(tmp_path: Path) -> None:
    target = tmp_path / "model"
    replace_directory(target, write("one"))
    target.rename(tmp_path / ".model.old")
    recover_directory(target)
    assert (target / "a" / "file").read_text() == "one"
    # Killed after the second rename: the new one is there, the old one a left-over.
    (tmp_path / ".model.old").mkdir()
    recover_directory(target)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    # Killed while the new one was written.
    (tmp_path / ".model.new").mkdir()
    replace_directory(target, write("two"))
    assert (target / "a" / "file").read_text() == "two"


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    def write_two(new: Path) -> None:
        new.write_text("two")
        assert (tmp_path / "file").read_text() == "one"

    (tmp_path / "file").write_text("one")
    replace_file(tmp_path / "file", write_two)
    assert (tmp_path / "file").read_text() == "two"
    assert len(list(tmp_path.iterdir())) == 1
