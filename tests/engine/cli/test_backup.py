"""`engine backup`: to a folder, or to a pipe."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

from engine import SearchEngine, verify_index
from tests.engine.cli.commands import command, engine, environment
from tests.engine.cli.small_index import (
    COUNT,
    DELETED,
    copied,
    damage_documents,
    write_small_index,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_small_index(tmp_path)


def assert_whole(path: Path) -> None:
    assert verify_index(path, deep=True).is_sound
    with SearchEngine.open(path) as opened:
        assert len(opened) == COUNT - DELETED
        assert opened.get("id-30")["n"] == "id-30"


def test_to_a_folder(path: Path) -> None:
    folder = path.parent
    outcome = engine("backup", "copies/today.index", cwd=folder)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("Copied engine.index to copies/today.index: ")
    assert_whole(folder / "copies" / "today.index")
    answer = engine("backup", "second", "--json", cwd=folder).json
    assert answer["backup"] == "second"
    assert answer["bytes"] == (folder / "second" / "data.mdb").stat().st_size
    engine("backup", "second", cwd=folder).fails(2, "second is not empty")
    assert_whole(folder / "second")


def piped(folder: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command("backup", "--to-stdout"),
        cwd=folder,
        env=environment(),
        capture_output=True,
        timeout=120,
        check=False,
    )


def test_to_a_pipe(path: Path) -> None:
    done = piped(path.parent)
    assert (done.returncode, done.stderr) == (0, b"")
    (path.parent / "copy.mdb").write_bytes(done.stdout)
    assert_whole(copied(path.parent / "copy", path.parent / "copy.mdb"))


def test_a_reader_that_goes_away(path: Path) -> None:
    with (path.parent / "err").open("wb") as err:
        read_end, write_end = os.pipe()
        os.close(read_end)
        status = subprocess.run(
            command("backup", "--to-stdout"),
            cwd=path.parent,
            env=environment(),
            stdout=write_end,
            stderr=err,
            timeout=120,
            check=False,
        ).returncode
        os.close(write_end)
    assert status == 141
    assert (path.parent / "err").read_bytes() == b""


def test_a_terminal_is_spared(path: Path) -> None:
    ours, theirs = pty.openpty()
    done = subprocess.run(
        command("backup", "--to-stdout"),
        cwd=path.parent,
        env=environment(),
        stdout=theirs,
        stderr=subprocess.PIPE,
        timeout=120,
        check=False,
    )
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 2
    assert b"nothing for a terminal" in done.stderr


def test_a_standard_output_that_is_closed(path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *command("backup", "--to-stdout")],
        cwd=path.parent,
        env=environment(),
        stderr=subprocess.PIPE,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == b"engine: standard output is closed, so the backup has nowhere to go\n"


def test_wrong_usage(path: Path) -> None:
    folder = path.parent
    for arguments in ([], ["copy", "--to-stdout"]):
        engine("backup", *arguments, cwd=folder).fails(2, "--to-stdout, and not both")
    engine("backup", "--to-stdout", "--json", cwd=folder).fails(2, "not both")
    assert [file.name for file in folder.iterdir()] == ["engine.index"]


def test_damage(path: Path) -> None:
    damage_documents(path)
    engine("backup", "copy", cwd=path.parent).fails(1, "documents is damaged")
    assert not (path.parent / "copy").exists()
    done = piped(path.parent)
    assert done.returncode == 1
    assert b"documents is damaged" in done.stderr
