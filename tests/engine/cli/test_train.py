"""`engine train` in processes of its own, on tiny models."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.cli.commands import Outcome, command, environment
from tests.indexer.model.tiny_models import write_model
from tests.signalled_process import signal_at
from tests.training.tiny_runs import write_collection, write_masked_lm, write_pairs
from training.checkpoint import read_checkpoint

QUICK = ["--set", "steps=2", "--set", "batch_size=4", "--set", "max_length=16"]
Serving = Callable[..., Outcome]


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    write_pairs(tmp_path / "pairs.jsonl")
    write_masked_lm(tmp_path / "bert")
    return tmp_path


def test_pairs_and_a_model_are_enough(folder: Path, serving: Serving) -> None:
    done = serving("train", "pairs.jsonl", "--model", "bert", "--output", "run", *QUICK, cwd=folder)
    assert done.code == 0, done.err
    assert "run/model" in done.out
    assert "step 2 of 2, ranking " in done.err
    for name in ("learning-curve.csv", "learning-curve.png", "run.json", "model/README.md"):
        assert (folder / "run" / name).is_file()
    index = serving("index", "pairs.jsonl", "--model", "run/model", "--text-field", "document",
                    "--id-field", "query", "--json", cwd=folder)  # fmt: skip
    assert index.code == 0, index.err
    found = serving("search", "phone", "--json", cwd=folder)
    assert found.json["hits"]


def test_json_and_a_second_time(folder: Path, serving: Serving) -> None:
    command = ["train", "pairs.jsonl", "--model", "bert", "--output", "run", *QUICK, "--json"]
    first = serving(*command, "--dev", str(write_collection(folder / "shop")), cwd=folder).json
    assert first["model"] == "run/model"
    assert first["steps"] == 2
    assert first["history"][-1]["ndcg shop"] > 0
    other = serving(*command, "--dev", str(folder / "shop"), "--set", "seed=7", cwd=folder)
    other.fails(2, "recipe.seed was 42 and is 7", "--restart")
    same = serving(*command, "--dev", str(folder / "shop"), cwd=folder)
    assert same.json["steps"] is None
    assert "finished" in same.err


def test_a_recipe_file_and_mined_negatives(folder: Path, serving: Serving) -> None:
    write_model(folder / "start")
    (folder / "recipe.toml").write_text(
        "model = 'start'\nsteps = 2\nmax_length = 16\n[[sources]]\npaths = ['pairs.jsonl']\n"
    )
    done = serving("train", "--recipe", "recipe.toml", "--mine", "2", "--output", "run",
                   "--device", "cpu", cwd=folder)  # fmt: skip
    assert done.code == 0, done.err
    assert "negatives for 12 examples" in done.err
    state = json.loads((folder / "run" / "run.json").read_text())
    assert state["finished"]
    assert state["identity"]["recipe"]["mining"]["negatives"] == 2


def test_an_interruption_says_where_it_stopped(folder: Path) -> None:
    arguments = ["train", "pairs.jsonl", "--model", "bert", "--output", "run", *QUICK]
    with subprocess.Popen(
        command(*arguments, "--set", "steps=100000"),
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        out, err = signal_at("step 10 of 100,000", signal.SIGINT, process, process.stderr)
    assert (process.returncode, out) == (130, ""), err
    step = read_checkpoint(folder / "run" / "checkpoint.pt")["step"]
    last = f"stopped after step {step:,} of 100,000; the same command again goes on from there"
    assert err.splitlines()[-1] == f"engine: {last}"
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nothing.jsonl"], 2, "there is no file nothing.jsonl"),
        (["pairs.jsonl", "--model", "./nowhere"], 2, "no model directory"),
        (["pairs.jsonl", "--recipe", "no.toml"], 2, "name a TOML file, default or card"),
        (["pairs.jsonl", "--set", "step=3"], 2, "did you mean steps?"),
        (["pairs.jsonl", "--set", "steps"], 2, "write it as name=value"),
        (["pairs.jsonl", "--set", "batch_size=0"], 2, "batch_size is 0"),
        (["--recipe", "card"], 2, "there is no training data"),
        (["pairs.jsonl", "--model", "bert", "--dev", "none"], 2, "there is no collection none"),
        (["pairs.jsonl", "--device", "tpu"], 2, "'tpu' is not one of"),
    ],
)
def test_mistakes(
    folder: Path, serving: Serving, arguments: list[str], code: int, said: str
) -> None:
    serving("train", *arguments, "--output", "run", cwd=folder).fails(code, said)


def test_without_an_output(folder: Path, serving: Serving) -> None:
    serving("train", "pairs.jsonl", cwd=folder).fails(2, "--output")


def test_unusable_rows_are_left_out(folder: Path, serving: Serving) -> None:
    path = folder / "pairs.jsonl"
    path.write_text(path.read_text() + "{}\n")
    done = serving("train", "pairs.jsonl", "--model", "bert", "--output", "run", *QUICK, cwd=folder)
    assert done.code == 0, done.err
    assert "left out: pairs.jsonl, line 13: the query is missing or empty" in done.err
    assert "1 rows" in done.out
