from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.command_line import run


def test_exit_codes_are_passed_on() -> None:
    assert run(lambda: 2) == 2
    assert run(lambda: None) == 0


def test_a_file_that_fails_is_named_on_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "none" / "file"

    def command() -> int:
        missing.write_text("x")
        return 0

    assert run(command) == 1
    assert capsys.readouterr().err == f"error: {missing}: No such file or directory\n"


def test_an_interruption_is_told_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> int:
        raise KeyboardInterrupt

    assert run(command) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_mistakes_of_ours_are_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        run(lambda: 1 // 0)
