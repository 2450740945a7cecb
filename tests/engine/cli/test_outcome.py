"""How commands end when something happens that nobody planned."""

from __future__ import annotations

import click
import pytest

from engine.cli.outcome import run
from engine.errors import (
    DocumentNotFoundError,
    EngineError,
    IndexDamagedError,
    IndexNotFoundError,
    InputNotFoundError,
    ModelError,
    ModelNotFoundError,
    UsageError,
)


def ending_with(error: BaseException) -> click.Group:
    @click.group()
    def group() -> None:
        pass

    @group.command()
    def fail() -> None:
        raise error

    return group


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (EngineError("it\n  broke"), 1, "engine: it broke\n"),
        (
            IndexDamagedError("shop, terms is damaged"),
            1,
            "engine: shop, terms is damaged; restore the index from a backup, or build",
        ),
        (
            IndexDamagedError("cut off; restore it from a backup"),
            1,
            "engine: cut off; restore it from a backup\n",
        ),
        (UsageError("not so"), 2, "engine: not so\n"),
        (IndexNotFoundError("no index"), 2, "engine: no index\n"),
        (InputNotFoundError("no file"), 2, "engine: no file\n"),
        (ModelNotFoundError("no model"), 2, "engine: no model\n"),
        (ModelError("half a model"), 1, "engine: half a model\n"),
        (DocumentNotFoundError("no document"), 1, "engine: no document\n"),
        (click.ClickException("no"), 1, "engine: no\n"),
        (MemoryError(), 1, "engine: out of memory; what was committed stays\n"),
        (OSError(5, "Input/output error"), 1, "engine: the system says: [Errno 5] Input/output"),
        (KeyboardInterrupt(), 130, "engine: interrupted\n"),
        (ZeroDivisionError("by zero"), 1, "engine: this is a bug (ZeroDivisionError: by zero)"),
    ],
)
def test_one_line_and_a_status(
    error: BaseException, code: int, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(ending_with(error), ["fail"]) == code
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err.lstrip("\n").startswith(said)
    assert captured.err.strip().count("\n") == 0


def test_the_trace_of_a_bug_on_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ENGINE_DEBUG", "1")
    assert run(ending_with(ZeroDivisionError("by zero")), ["fail"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_status_that_a_command_returns() -> None:
    group = click.Group("group")
    group.add_command(click.Command("three", callback=lambda: 3))
    group.add_command(click.Command("none", callback=lambda: None))
    assert run(group, ["three"]) == 3
    assert run(group, ["none"]) == 0
