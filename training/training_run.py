"""A whole run: data in, a trained model and its papers out."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import CatalogError, UsageError
from indexer.model import SparseModel
from indexer.model.source import DEFAULT_NAME, find_model_directory
from training.configuration import Recipe
from training.data.example import Example
from training.data.reading import read_examples
from training.data.writing import examples_digest, write_examples
from training.interruption import Interruption
from training.mining import mine_negatives
from training.model.loading import load_trainable
from training.model.saving import write_model
from training.progress import Progress
from training.run_directory import RunDirectory
from training.trainer import Trainer

_MODEL_FILES = (".safetensors", ".json", ".txt")
_WARNINGS = 20  # unusable rows that are told one by one


@dataclass(frozen=True)
class TrainingSummary:
    """What a run gave.

    Attributes:
        model: folder of the trained model.
        steps: steps taken, in this and earlier sittings; None where the run was finished before.
        history: figures over the steps; empty where the run was finished before.
        unusable: rows of the data that were left out.
    """

    model: Path
    steps: int | None
    history: list[dict[str, float]]
    unusable: int

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {**dataclasses.asdict(self), "model": str(self.model)}


def train(
    recipe: Recipe,
    output: str | os.PathLike[str],
    *,
    report: Callable[[Progress], None] | None = None,
    tell: Callable[[str], None] | None = None,
    restart: bool = False,
) -> TrainingSummary:
    """Train a model by a recipe, into the folder `output`.

    The same call after an interruption goes on from the last checkpoint, and ends in the same
    weights as a run without one; after the end it does nothing. `report` is called with figures
    now and then, `tell` with sentences about rows that are left out and the like. `restart` begins
    again whatever is in the folder; a model there is set aside.

    The first Ctrl-C (or SIGTERM) finishes the step in hand and writes a checkpoint before it ends
    the run, unless the caller handles these signals; a second ends it at once. So does the first
    while data and models are loaded or negatives mined. After the last step the run is finished
    before the signal is heard.

    Raises:
        UsageError: the recipe has no data, or the folder belongs to another run.
        InputNotFoundError: a data file is not there.
        CatalogError: a data file cannot be read or holds nothing usable.
        ModelError: a model that the recipe names cannot be loaded.
        EngineError: the folder cannot be written to, or another run is at work in it.
        KeyboardInterrupt: the run was interrupted. The message says after which step it stopped, or
            that it is finished; it is empty where the run was ended at once.
    """
    tell = tell or (lambda _: None)
    if not recipe.sources:
        raise UsageError("there is no training data: name files of pairs, or sources in the recipe")
    paths = [path for source in recipe.sources for path in source.paths]
    if len(recipe.sources) > 1 and not any(Path(path).exists() for path in paths):
        raise UsageError(
            f"none of the {len(paths)} data files that the recipe {recipe.name} names is here "
            f"({paths[0]}, ...): name a file of pairs of your own, or a recipe beside its data"
        )
    directory = RunDirectory(Path(output))
    warnings = _Warnings(tell)
    examples = [_read(source.paths, warnings) for source in recipe.sources]
    _check_scores(recipe, examples)
    identity = {
        "recipe": recipe.identity(),
        "data": [examples_digest(each) for each in examples],
        "models": {
            "start": _files_digest(recipe.model),
            "teacher": _files_digest(recipe.teacher.model),
        },
    }
    with directory.locked():
        if restart and directory.model.exists():
            # What cannot be started again must not cost the model that is there.
            load_trainable(recipe.model, max_length=recipe.max_length)
        if directory.begin(identity, restart=restart) == "finished":
            tell(f"{directory.root} holds the finished run; --restart trains again")
            return TrainingSummary(directory.model, None, [], warnings.count)
        if recipe.mining.negatives:
            examples = _mined(recipe, examples, directory, tell)
        trainer = Trainer(recipe, examples, directory, report or (lambda _: None))
        try:
            if directory.checkpoint.exists():
                trainer.resume()
                tell(f"going on after step {trainer.step}")
            finished = f"the run was finished before it could stop: {directory.model} is the model"
            with Interruption(tell, finished) as interruption:
                trainer.train(interruption)
                directory.finish()
        finally:
            trainer.model.threads.close()
    return TrainingSummary(directory.model, trainer.step, trainer.history, warnings.count)


def _check_scores(recipe: Recipe, examples: list[list[Example]]) -> None:
    """Raise `UsageError` for a loss over a teacher's scores where no example has any."""
    if any(example.scores and example.negatives for each in examples for example in each):
        return
    for name in ("margin_mse", "kl"):
        if getattr(recipe.losses, name):
            raise UsageError(
                f"losses.{name} is the distance from a teacher's scores, and no example has "
                "`scores` and `negatives`: add them to the data, or set it to 0"
            )


def _files_digest(model: str) -> str | None:
    """SHA-256 of the files of a local model, which may change under its name; else None."""
    directory = find_model_directory(None)[1] if model == DEFAULT_NAME else Path(model).expanduser()
    if not model or not directory.is_dir():
        return None
    digest = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        if path.suffix in _MODEL_FILES and path.is_file():
            digest.update(f"{path.relative_to(directory)}\n".encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


class _Warnings:
    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self.count = 0

    def __call__(self, message: str) -> None:
        self.count += 1
        if self.count <= _WARNINGS:
            self._tell(f"left out: {message}")
        elif self.count == _WARNINGS + 1:
            self._tell("left out: more rows, which are counted only")


def _read(paths: tuple[str, ...], warnings: _Warnings) -> list[Example]:
    before = warnings.count
    examples = [example for path in paths for example in read_examples(path, warnings)]
    if not examples:
        bad = warnings.count - before
        raise CatalogError(
            f"{', '.join(paths)}: no usable training example"
            + (f" among {bad} rows" if bad else ", the data is empty")
        )
    return examples


def _mined(
    recipe: Recipe,
    examples: list[list[Example]],
    directory: RunDirectory,
    tell: Callable[[str], None],
) -> list[list[Example]]:
    """Mine negatives with the starting model, or read what was mined before an interruption."""
    files = [directory.mined / f"{at + 1}.jsonl.gz" for at in range(len(examples))]
    if not all(file.exists() for file in files):
        model = load_trainable(recipe.model, max_length=recipe.max_length)
        with tempfile.TemporaryDirectory(prefix="starting-model-") as folder:
            write_model(model, folder, max_active_dims=recipe.max_active_dims or None)
            sparse = SparseModel.load(folder, device=recipe.device)
            for file, each in zip(files, examples, strict=True):
                write_examples(file, mine_negatives(sparse, each, recipe.mining))
    mined = [list(read_examples(file)) for file in files]
    negatives = sum(len(example.negatives) for each in mined for example in each)
    tell(f"{negatives:,} negatives for {sum(map(len, mined)):,} examples")
    return mined
