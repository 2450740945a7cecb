"""How a command ends: one line for what went wrong, and the exit status."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Sequence

import click

from engine.cli.streams import discard_output, one_line, use_utf8
from engine.errors import (
    EngineError,
    IndexDamagedError,
    IndexNotFoundError,
    InputNotFoundError,
    ModelNotFoundError,
    UsageError,
)

PROGRAM = "engine"
DEBUG_VARIABLE = "ENGINE_DEBUG"
_WORK_FAILED = 1
_WRONG_USAGE = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells have it
# Whatever an argument or a file brought into a message, it stays one line for people.
_LONGEST_LINE = 2000
_READER_GONE = 141  # 128 + SIGPIPE
# Whoever notices damage names the part; what to do about it is the same for all parts.
_AFTER_DAMAGE = (
    "restore the index from a backup, or build it anew with engine index CATALOG --rebuild"
)


class StoppedError(Exception):
    """A command was interrupted (`__cause__` is KeyboardInterrupt), or nobody reads its output."""

    def __init__(self, command: str | None) -> None:
        super().__init__()
        self.command = command


def run(group: click.Group, arguments: Sequence[str]) -> int:
    """Run a command and return the exit status; whatever goes wrong is told in one line."""
    use_utf8()
    try:
        result = group.main(list(arguments), prog_name=PROGRAM, standalone_mode=False)
        sys.stdout.flush()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else _WORK_FAILED
    except StoppedError as stop:
        if isinstance(stop.__cause__, BrokenPipeError):
            discard_output()
            return _READER_GONE
        # Who stopped in good order says where; the interruption itself says nothing.
        complain(str(stop.__cause__) or _interruption(stop.command))
        return INTERRUPTED
    except (KeyboardInterrupt, click.Abort):
        complain(_interruption(None))
        return INTERRUPTED
    except BrokenPipeError:
        discard_output()
        return _READER_GONE
    except Exception as error:
        return _report(error)
    return result if isinstance(result, int) else 0


def complain(message: str) -> None:
    """Print one line on standard error, in the form that all errors have."""
    with contextlib.suppress(OSError):
        line = one_line(message)
        if len(line) > _LONGEST_LINE:
            line = f"{line[: _LONGEST_LINE // 2]} ... {line[-_LONGEST_LINE // 2 :]}"
        click.echo(f"{PROGRAM}: {line}", err=True)


def _report(error: Exception) -> int:
    match error:
        case click.UsageError():
            complain(_usage(error))
            return _WRONG_USAGE
        case click.ClickException():
            complain(error.format_message())
            return _WORK_FAILED
        # A mistyped path is wrong usage like a mistyped option. Whether a document is there is
        # what `engine get` was asked: its no is no mistake of the caller.
        case UsageError() | IndexNotFoundError() | InputNotFoundError() | ModelNotFoundError():
            complain(str(error))
            return _WRONG_USAGE
        case IndexDamagedError() if "backup" not in str(error):
            complain(f"{str(error).rstrip('.')}; {_AFTER_DAMAGE}")
            return _WORK_FAILED
        case EngineError():
            complain(str(error))
            return _WORK_FAILED
    if os.environ.get(DEBUG_VARIABLE, "0") not in ("", "0"):
        traceback.print_exception(error)
    elif isinstance(error, MemoryError):
        complain("out of memory; what was committed stays")
    elif isinstance(error, OSError):
        complain(f"the system says: {error}")
    else:
        complain(
            f"this is a bug ({type(error).__name__}: {error}); please report it, with what "
            f"{DEBUG_VARIABLE}=1 shows when the same command is run again"
        )
    if isinstance(error, OSError):
        # What could not be written must not be tried again when the process ends.
        discard_output()
    return _WORK_FAILED


def _usage(error: click.UsageError) -> str:
    message = error.format_message().strip()
    path = error.ctx.command_path if error.ctx is not None else PROGRAM
    advice = f"See {path} --help"
    if isinstance(error, click.NoSuchOption) and path != PROGRAM:
        advice += ", or put -- before words that begin with a dash"
    end = "" if message.endswith((".", "?", "!")) else "."
    return f"{message}{end} {advice}"


def _interruption(command: str | None) -> str:
    if command in ("index", "sync"):
        return (
            "interrupted; what was committed stays, and the same command again goes on from there"
        )
    if command == "compact":
        return "interrupted; the index answers as before, and nothing half-done is left"
    if command == "train":
        return "interrupted; the same command again goes on from the last checkpoint, if any"
    return "interrupted"
