"""Running the command line in processes of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
# What the machine at hand sets must not decide what is printed.
UNSET = ("ENGINE_INDEX", "ENGINE_DEBUG", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)

    def fails(self, code: int, *said: str) -> None:
        """Assert that it failed as it should: nothing printed but one line that says why."""
        assert self.code == code, (self.code, self.err)
        assert self.out == ""
        assert self.err.startswith("engine: ")
        assert self.err.count("\n") == 1, self.err
        assert self.err.endswith("\n")
        for part in said:
            assert part in self.err


def environment(**changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in UNSET}
    front = changes.pop("PYTHONPATH", "")
    path = os.pathsep.join(filter(None, [front, str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return {**kept, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **changes}


def command(*arguments: str | Path | bytes) -> list[str | Path | bytes]:
    return [sys.executable, "-m", "engine.cli", *arguments]


def engine(
    *arguments: str | Path | bytes,
    cwd: Path,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
) -> Outcome:
    """Run a command in a new process."""
    done = subprocess.run(
        command(*arguments),
        cwd=cwd,
        input=stdin,
        capture_output=True,
        env=environment(**(env or {})),
        timeout=120,
        check=False,
    )
    return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())


class CommandServer:
    """Runs commands in forks of one process that has torch loaded; see `command_server`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.engine.cli.command_server"],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if self._answer() != "ready":
            self.close()
            raise AssertionError("the server of commands did not start")

    def __call__(
        self,
        *arguments: str | Path,
        cwd: Path,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
    ) -> Outcome:
        files = {name: self._folder / name for name in ("stdin", "stdout", "stderr")}
        for name, file in files.items():
            file.write_bytes(stdin if name == "stdin" else b"")
        request = {
            "arguments": [str(argument) for argument in arguments],
            "cwd": str(cwd),
            "environment": dict(env or {}),
            **{name: str(file) for name, file in files.items()},
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        code = int(self._answer())
        return Outcome(code, files["stdout"].read_text(), files["stderr"].read_text())

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()
