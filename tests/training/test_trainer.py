"""Runs on a tiny model, whole and killed."""

from __future__ import annotations

import csv
import itertools
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from engine.errors import EngineError
from indexer.model import SparseModel
from tests.engine.cli.commands import ROOT, environment
from tests.indexer.model.tiny_models import write_model
from tests.signalled_process import signal_at
from tests.training.tiny_runs import PAIRS, write_collection, write_pairs, write_rows
from training.checkpoint import read_checkpoint
from training.configuration import (
    Checkpoints,
    Dev,
    DevCollection,
    Losses,
    Optimizer,
    Recipe,
    Source,
    StaticWeights,
)
from training.learning_curve import draw
from training.model.lexicon import teach
from training.model.loading import load_trainable
from training.model.saving import write_model as save
from training.objective import Objective
from training.progress import Progress
from training.training_run import train


@pytest.fixture()
def recipe(tmp_path: Path) -> Recipe:
    """Twelve steps with everything random in them: negatives, sampled vocabulary, dropout."""
    rows = [
        {"query": query, "document": text, "negatives": [f"{text} {word}" for word in "abc"]}
        for query, text in PAIRS
    ]
    return Recipe(
        model=str(write_model(tmp_path / "start")),
        steps=12,
        batch_size=5,
        negatives=1,
        sampled_vocabulary=20,
        max_length=16,
        dtype="float32",
        device="cpu",
        sources=(
            Source((str(write_pairs(tmp_path / "pairs.jsonl")),)),
            Source((str(write_rows(tmp_path / "more.jsonl", rows)),), weight=2),
        ),
        optimizer=Optimizer(learning_rate=1e-3, static_weights_learning_rate=1e-2),
        losses=Losses(flops=1e-3),
        static_weights=StaticWeights(idf=True),
        checkpoints=Checkpoints(every_steps=3),
    )


def tensors(model: Path) -> dict[str, torch.Tensor]:
    files = sorted(model.rglob("model.safetensors"))
    assert len(files) in (2, 3)  # the third is of the document expansion
    return {f"{file.parent.name} {k}": v for file in files for k, v in load_file(file).items()}


def assert_equal_models(one: Path, other: Path) -> None:
    first, second = tensors(one), tensors(other)
    assert set(first) == set(second)
    for name, values in first.items():
        assert torch.allclose(values, second[name], rtol=1e-5, atol=1e-6), name


def write_recipe(path: Path, recipe: Recipe) -> Path:
    """As TOML, which Python reads but does not write."""

    def text(value: object) -> str:
        if isinstance(value, dict):
            return "{" + ", ".join(f"{k} = {text(v)}" for k, v in value.items()) + "}"
        if isinstance(value, list | tuple):
            return "[" + ", ".join(map(text, value)) + "]"
        return str(value).lower() if isinstance(value, bool) else repr(value)

    path.write_text("".join(f"{k} = {text(v)}\n" for k, v in recipe.to_dict().items()))
    return path


def test_training_lowers_the_loss(tmp_path: Path, recipe: Recipe) -> None:
    seen: list[Progress] = []
    recipe = replace(
        recipe,
        steps=60,
        dropout=0.0,
        sources=recipe.sources[:1],
        optimizer=replace(recipe.optimizer, learning_rate=5e-3),
    )
    summary = train(recipe, tmp_path / "run", report=seen.append)
    assert summary.steps == 60
    assert [progress.step for progress in seen] == [10, 20, 30, 40, 50, 60]
    assert seen[-1].losses["ranking"] < 0.5 * seen[0].losses["ranking"]
    assert set(seen[0].losses) == {"ranking", "flops", "bag_of_words"}
    model = SparseModel.load(summary.model)
    scores = model.similarity(
        model.encode_query([query for query, _ in PAIRS]),
        model.encode_document([text for _, text in PAIRS]),
    )
    assert (scores.argmax(1) == np.arange(len(PAIRS))).mean() > 0.7
    with (tmp_path / "run" / "learning-curve.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["10", "20", "30", "40", "50", "60"]
    assert (tmp_path / "run" / "learning-curve.png").is_file()
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def test_the_same_recipe_gives_the_same_model(tmp_path: Path, recipe: Recipe) -> None:
    one, same, other = (
        train(replace(recipe, seed=seed), tmp_path / name).model
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert_equal_models(one, same)
    with pytest.raises(AssertionError):
        assert_equal_models(one, other)


def run_until(step: int, number: signal.Signals, file: Path, output: Path) -> tuple[int, str]:
    """Send a signal to a run of its own after a step; give its exit status and what it said."""
    module = "tests.training.training_worker"
    worker = [sys.executable, "-m", module, str(file), str(output), str(step)]
    with subprocess.Popen(
        worker,
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        # The worker waits for the end of its input: no run is too fast for the signal.
        _, said = signal_at(f"step {step}\n", number, process, process.stdout)
    return process.returncode, said


def steps_of_curve(output: Path) -> list[str]:
    with (output / "learning-curve.csv").open() as file:
        return [row["step"] for row in csv.DictReader(file)]


def assert_goes_on(recipe: Recipe, output: Path, step: int) -> None:
    """The same call goes on after a step, and ends in the weights of an unbroken run."""
    unbroken = train(recipe, output.with_name("unbroken")).model
    told: list[str] = []
    summary = train(recipe, output, tell=told.append)
    assert told == [f"going on after step {step}"]
    assert summary.steps == recipe.steps
    assert_equal_models(unbroken, summary.model)
    assert steps_of_curve(output) == steps_of_curve(output.with_name("unbroken"))


@pytest.mark.parametrize("seed", [0, 1])
def test_a_killed_run_ends_in_the_same_weights(tmp_path: Path, recipe: Recipe, seed: int) -> None:
    recipe = replace(recipe, steps=24)
    file = write_recipe(tmp_path / "recipe.toml", recipe)
    output = tmp_path / "killed"
    kill_after = random.Random(seed).choice([10, 20])
    code, _ = run_until(kill_after, signal.SIGKILL, file, output)
    assert code == -signal.SIGKILL
    assert not (output / "model").exists()
    at = read_checkpoint(output / "checkpoint.pt")["step"]
    assert 0 < at < 24
    assert_goes_on(recipe, output, at)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_loses_no_step(
    tmp_path: Path, recipe: Recipe, number: signal.Signals
) -> None:
    # Enough steps to stop in the midst of them, and no checkpoint but that of the interruption.
    # More would let rounding, which differs from run to run on some processors, grow too large.
    recipe = replace(recipe, steps=24, checkpoints=Checkpoints())
    file = write_recipe(tmp_path / "recipe.toml", recipe)
    output = tmp_path / "interrupted"
    code, said = run_until(10, number, file, output)
    assert code == -number, said
    assert not (output / "model").exists()
    at = read_checkpoint(output / "checkpoint.pt")["step"]
    assert 10 <= at < 24
    assert f"stopped after step {at} of 24; the same command again goes on from there" in said
    assert_goes_on(recipe, output, at)


def test_a_taught_model_goes_on_with_its_expansion(tmp_path: Path, recipe: Recipe) -> None:
    taught = teach(load_trainable(recipe.model), {"algodon": ["cotton"], "colcha": ["sheet"]})
    save(taught, tmp_path / "taught")
    recipe = replace(recipe, model=str(tmp_path / "taught"), steps=24, checkpoints=Checkpoints())
    output = tmp_path / "interrupted"
    file = write_recipe(tmp_path / "recipe.toml", recipe)
    code, said = run_until(10, signal.SIGINT, file, output)
    assert code == -signal.SIGINT, said
    assert_goes_on(recipe, output, read_checkpoint(output / "checkpoint.pt")["step"])
    trained = load_trainable(str(output / "model"))
    assert trained.expansion is not None and taught.expansion is not None
    assert trained.expansion.digest == taught.expansion.digest


def test_an_interruption_within_a_step_waits_for_its_end(
    tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("training.trainer.Objective.__call__", interrupting(Objective.__call__, 5))
        with pytest.raises(KeyboardInterrupt, match="after step 5 of 12"):
            train(recipe, tmp_path / "run")
    assert_goes_on(recipe, tmp_path / "run", 5)


def test_a_second_interruption_leaves_the_checkpoint_before(
    tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(state: dict[str, Any], path: Path) -> None:
        torch_save(state, path)
        if state["step"] == 10:
            signal.raise_signal(signal.SIGINT)

    def report(progress: Progress) -> None:
        if progress.step == 10:
            signal.raise_signal(signal.SIGINT)

    torch_save = torch.save
    monkeypatch.setattr("training.checkpoint.torch.save", save)
    with pytest.raises(KeyboardInterrupt) as interruption:
        train(recipe, tmp_path / "run", report=report)
    assert str(interruption.value) == ""
    assert read_checkpoint(tmp_path / "run" / "checkpoint.pt")["step"] == 9
    assert not (tmp_path / "run" / ".checkpoint.pt.new").exists()


def test_an_interruption_after_the_last_step_finds_a_finished_run(
    tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("training.trainer.draw", interrupting(draw, 1))
        with pytest.raises(KeyboardInterrupt, match="the run was finished before it could stop"):
            train(recipe, tmp_path / "run")
    assert train(recipe, tmp_path / "run").steps is None


def test_an_interruption_of_the_measurement_before_step_1(tmp_path: Path, recipe: Recipe) -> None:
    def report(progress: Progress) -> None:
        assert progress.step == 0
        signal.raise_signal(signal.SIGINT)

    dev = Dev((DevCollection(str(write_collection(tmp_path / "shop"))),), every=4)
    recipe = replace(recipe, dev=dev)
    with pytest.raises(KeyboardInterrupt, match="before step 1 of 12"):
        train(recipe, tmp_path / "run", report=report)
    history = train(recipe, tmp_path / "run").history
    assert [row["step"] for row in history if "ndcg shop" in row] == [0, 4, 8, 12]


def test_an_interrupted_measurement_counts_once(tmp_path: Path, recipe: Recipe) -> None:
    def report(progress: Progress) -> None:
        if progress.step == 4 and progress.dev is not None:
            signal.raise_signal(signal.SIGINT)

    dev = Dev((DevCollection(str(write_collection(tmp_path / "shop"))),), every=4, patience=2)
    recipe = replace(recipe, dev=dev)
    whole = train(recipe, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt, match="after step 4"):
        train(recipe, tmp_path / "run", report=report)
    summary = train(recipe, tmp_path / "run")
    figures, unbroken = (
        [(row["step"], row.get("ndcg shop")) for row in each.history] for each in (summary, whole)
    )
    assert figures == unbroken
    assert_equal_models(whole.model, summary.model)


def interrupting(function: Callable[..., Any], call: int) -> Callable[..., Any]:
    """The same function, with a Ctrl-C in one of its calls, counted from 1."""
    calls = itertools.count(1)

    def called(*arguments: Any) -> Any:
        if next(calls) == call:
            signal.raise_signal(signal.SIGINT)
        return function(*arguments)

    return called


def test_accumulation_takes_more_batches_a_step(tmp_path: Path, recipe: Recipe) -> None:
    recipe = replace(recipe, steps=0, epochs=2.0, gradient_accumulation=2)
    summary = train(recipe, tmp_path / "run")
    # 24 examples are 5 batches of 5; twice is 10, in steps of two.
    assert summary.steps == 5


def test_the_best_on_the_dev_set_is_kept(tmp_path: Path, recipe: Recipe) -> None:
    dev = Dev((DevCollection(str(write_collection(tmp_path / "shop"))),), every=4, patience=2)
    seen: list[Progress] = []
    # A rate that ruins the model: later is worse.
    ruin = replace(recipe.optimizer, learning_rate=0.5, static_weights_learning_rate=5.0)
    recipe = replace(recipe, steps=100, dev=dev, optimizer=replace(ruin, warmup=0.5))
    summary = train(recipe, tmp_path / "run", report=seen.append)
    measured = [progress for progress in seen if progress.dev is not None]
    best = max(measured, key=lambda progress: progress.dev.ndcg if progress.dev else 0)
    assert best.best
    assert summary.steps == best.step + 8
    card = (summary.model / "README.md").read_text()
    assert best.dev is not None
    assert f"| shop | {best.dev.ndcg:.4f} |" in card
    assert f"{best.step:,} of 100 steps" in card
    rows = [row for row in summary.history if "ndcg shop" in row]
    assert [row["step"] for row in rows] == [progress.step for progress in measured]


def test_a_loss_that_is_no_number_ends_the_run(tmp_path: Path, recipe: Recipe) -> None:
    wild = replace(recipe.optimizer, learning_rate=1e30, gradient_clipping=0.0)
    with pytest.raises(EngineError, match=r"the loss is (nan|inf) at step"):
        train(replace(recipe, optimizer=wild), tmp_path / "run")


def test_bfloat16_trains(tmp_path: Path, recipe: Recipe) -> None:
    seen: list[Progress] = []
    train(
        replace(recipe, dtype="bfloat16", steps=30, dropout=0.0),
        tmp_path / "run",
        report=seen.append,
    )
    assert seen[-1].losses["ranking"] < seen[0].losses["ranking"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_cuda_trains_the_same(tmp_path: Path, recipe: Recipe) -> None:
    recipe = replace(recipe, dropout=0.0)
    on_cpu = train(recipe, tmp_path / "cpu").model
    on_cuda = train(replace(recipe, device="cuda"), tmp_path / "cuda").model
    first, second = tensors(on_cpu), tensors(on_cuda)
    for name, values in first.items():
        assert torch.allclose(values, second[name], rtol=1e-2, atol=1e-2), name
