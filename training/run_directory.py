"""The folder of a run: what is in it, whose it is, and what may be done to it.

`run.json` says which recipe and data the folder belongs to, `checkpoint.pt` where an unfinished run
goes on, `model` holds the trained model, `learning-curve.csv` and `.png` how it came about.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import EngineError, UsageError
from training.atomic_directory import recover_directory, remove_unfinished, replace_file

_MOST_DIFFERENCES = 3


@dataclass(frozen=True)
class RunDirectory:
    """Paths of a run's files, and its state."""

    root: Path

    @property
    def model(self) -> Path:
        """The trained model; while training, the best so far."""
        return self.root / "model"

    @property
    def checkpoint(self) -> Path:
        """The state of an unfinished run."""
        return self.root / "checkpoint.pt"

    @property
    def curve(self) -> Path:
        """The learning curve as a table; the picture is beside it."""
        return self.root / "learning-curve.csv"

    @property
    def mined(self) -> Path:
        """Folder of the training data with mined negatives."""
        return self.root / "mined"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs out of the folder, which is made if need be.

        Raises:
            EngineError: another run is at work in it, or it cannot be written to.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise EngineError(
                    f"another run is at work in {self.root}: wait for it to finish, or name "
                    "another folder with --output"
                ) from None
            yield
        finally:
            os.close(descriptor)

    def begin(self, identity: Mapping[str, Any], *, restart: bool) -> str:
        """Take the folder for the run that `identity` describes, in JSON values.

        A run that failed before it mined negatives or saved a checkpoint gives way to any other.

        Returns "new", "unfinished" (go on from the checkpoint, if there is one) or "finished".
        With `restart` it is always new: a checkpoint is dropped, a model is set aside under
        another name.

        Raises:
            UsageError: the folder belongs to another run, or holds a model of unknown origin.
            EngineError: it cannot be written to.
        """
        try:
            return self._begin(json.loads(json.dumps(identity)), restart)
        except OSError as error:
            raise self._unusable(error) from error

    def finish(self) -> None:
        """Note that the model is final, and drop the checkpoint."""
        state = self._state()
        assert state is not None
        self._write({**state, "finished": True})
        self.checkpoint.unlink(missing_ok=True)

    def _unusable(self, error: OSError) -> EngineError:
        return EngineError(
            f"{self.root} cannot be used ({error.strerror}): name another folder with --output"
        )

    def _begin(self, identity: dict[str, Any], restart: bool) -> str:
        self.root.mkdir(parents=True, exist_ok=True)
        recover_directory(self.model)
        remove_unfinished(self.checkpoint)
        state = None if restart else self._state()
        differences = [] if state is None else list(_differences(state["identity"], identity))
        if state is not None and differences and self._came_to_nothing(state):
            state = None
        if state is None and self.model.exists() and not restart:
            raise UsageError(
                f"{self.model} is there already, and not from a run of this command: name another "
                "folder with --output, or set it aside with --restart"
            )
        if state is not None:
            if differences:
                shown = "; ".join(differences[:_MOST_DIFFERENCES])
                raise UsageError(
                    f"{self.root} holds another run ({shown}): name another folder with --output, "
                    "or begin again with --restart"
                )
            return "finished" if state["finished"] and self.model.exists() else "unfinished"
        self.checkpoint.unlink(missing_ok=True)
        shutil.rmtree(self.mined, ignore_errors=True)
        if self.model.exists():
            number = 1
            while (aside := self.root / f"model-{number}").exists():
                number += 1
            self.model.rename(aside)
        self._write({"identity": identity, "finished": False})
        return "new"

    def _came_to_nothing(self, state: dict[str, Any]) -> bool:
        """Whether a run failed before there was anything to lose, such as mined negatives."""
        made = (self.checkpoint, self.model, self.mined)
        return not state["finished"] and not any(path.exists() for path in made)

    def _state(self) -> dict[str, Any] | None:
        path = self.root / "run.json"
        if not path.exists():
            return None
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(state["identity"], dict) and isinstance(state["finished"], bool):
                return dict(state)
        except (ValueError, KeyError, TypeError):
            pass
        raise UsageError(
            f"{path} is damaged: name another folder with --output, or begin again with --restart"
        )

    def _write(self, state: dict[str, Any]) -> None:
        text = json.dumps(state, indent=2, ensure_ascii=False)

        def write(new: Path) -> None:
            new.write_text(text, encoding="utf-8")

        replace_file(self.root / "run.json", write)


def _differences(before: Any, now: Any, name: str = "") -> Iterator[str]:
    """Tell what differs; of models only if both are known, for one may be gone or on the hub."""
    if name.startswith("models") and (before is None or now is None):
        return
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted({*before, *now}):
            yield from _differences(before.get(key), now.get(key), f"{name}.{key}" if name else key)
    elif before != now:
        many = name.startswith("models") or any(
            isinstance(value, list | dict) for value in (before, now)
        )
        yield f"{name} differs" if many else f"{name} was {before!r} and is {now!r}"
