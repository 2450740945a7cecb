from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import CatalogError, ModelError, UsageError
from tests.indexer.model.tiny_models import write_model
from tests.training.tiny_runs import PAIRS, write_masked_lm, write_pairs
from training.configuration import Mining, Recipe, Source
from training.data.reading import read_examples
from training.training_run import train


@pytest.fixture()
def recipe(tmp_path: Path) -> Recipe:
    return Recipe(
        model=str(write_model(tmp_path / "start")),
        steps=2,
        batch_size=4,
        max_length=16,
        dropout=0.0,
        device="cpu",
        sources=(Source((str(write_pairs(tmp_path / "pairs.jsonl")),)),),
    )


def test_a_finished_run_is_not_done_again(tmp_path: Path, recipe: Recipe) -> None:
    train(recipe, tmp_path / "run")
    before = (tmp_path / "run" / "model" / "README.md").stat().st_mtime_ns
    told: list[str] = []
    summary = train(recipe, tmp_path / "run", tell=told.append)
    assert summary.steps is None
    assert "finished" in told[0]
    assert (tmp_path / "run" / "model" / "README.md").stat().st_mtime_ns == before
    assert summary.to_dict()["model"] == str(tmp_path / "run" / "model")


def test_other_data_is_another_run(tmp_path: Path, recipe: Recipe) -> None:
    train(recipe, tmp_path / "run")
    path = Path(recipe.sources[0].paths[0])
    path.write_text(path.read_text() + '{"query": "more", "document": "more"}\n')
    with pytest.raises(UsageError, match="data differs"):
        train(recipe, tmp_path / "run")
    assert train(recipe, tmp_path / "run", restart=True).steps == 2
    assert (tmp_path / "run" / "model-1" / "README.md").is_file()


def test_another_model_under_the_name_is_another_run(tmp_path: Path, recipe: Recipe) -> None:
    train(recipe, tmp_path / "run")
    shutil.rmtree(tmp_path / "start")
    assert train(recipe, tmp_path / "run").steps is None  # what is gone cannot be compared
    write_model(tmp_path / "start", activation="log1p_relu")
    with pytest.raises(UsageError, match=r"models\.start differs"):
        train(recipe, tmp_path / "run")
    assert (tmp_path / "run" / "model" / "README.md").is_file()


def test_a_run_of_before_models_were_noted_goes_on(tmp_path: Path, recipe: Recipe) -> None:
    train(recipe, tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    state = json.loads(path.read_text())
    del state["identity"]["models"]
    path.write_text(json.dumps(state))
    assert train(recipe, tmp_path / "run").steps is None


def test_a_restart_that_cannot_start_leaves_the_model(tmp_path: Path, recipe: Recipe) -> None:
    train(recipe, tmp_path / "run")
    with pytest.raises(ModelError):
        train(replace(recipe, model=str(tmp_path / "none")), tmp_path / "run", restart=True)
    assert (tmp_path / "run" / "model" / "README.md").is_file()
    assert train(recipe, tmp_path / "run").steps is None


def test_unusable_rows_are_told_and_counted(tmp_path: Path, recipe: Recipe) -> None:
    path = Path(recipe.sources[0].paths[0])
    path.write_text(path.read_text() + '{"query": "only"}\n' * 30)
    told: list[str] = []
    summary = train(recipe, tmp_path / "run", tell=told.append)
    assert summary.unusable == 30
    assert told[0] == f"left out: {path}, line 13: the document is missing or empty"
    assert len(told) == 21
    assert told[-1] == "left out: more rows, which are counted only"


def test_data_without_a_usable_row(tmp_path: Path, recipe: Recipe) -> None:
    path = Path(recipe.sources[0].paths[0])
    path.write_text("{}\n")
    with pytest.raises(CatalogError, match="no usable training example among 1 rows"):
        train(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(UsageError, match="there is no training data"):
        train(replace(recipe, sources=()), tmp_path / "run")


def test_a_recipe_whose_data_is_elsewhere(tmp_path: Path, recipe: Recipe) -> None:
    recipe = replace(recipe, sources=(Source(("a.jsonl.gz",)), Source(("b.jsonl.gz",))))
    with pytest.raises(UsageError, match=r"none of the 2 data files.*of your own"):
        train(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("loss", ["margin_mse", "kl"])
def test_a_loss_over_scores_needs_scores(tmp_path: Path, recipe: Recipe, loss: str) -> None:
    recipe = replace(recipe, losses=replace(recipe.losses, **{loss: 1.0}))
    with pytest.raises(UsageError, match=f"losses.{loss} is the distance"):
        train(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    path = Path(recipe.sources[0].paths[0])
    row = '{"query": "a", "document": "b", "negatives": ["c"], "scores": [2, 1]}\n'
    path.write_text(path.read_text() + row)
    assert train(recipe, tmp_path / "run").steps == 2


def test_negatives_are_mined_once(tmp_path: Path, recipe: Recipe) -> None:
    recipe = replace(recipe, mining=Mining(negatives=2, margin=0.0))
    told: list[str] = []
    train(recipe, tmp_path / "run", tell=told.append)
    mined = list(read_examples(tmp_path / "run" / "mined" / "1.jsonl.gz"))
    assert told == [f"{sum(len(each.negatives) for each in mined)} negatives for 12 examples"]
    assert [(each.query, each.document) for each in mined] == PAIRS
    assert max(len(each.negatives) for each in mined) == 2


def test_a_masked_language_model_will_do(tmp_path: Path, recipe: Recipe) -> None:
    start = write_masked_lm(tmp_path / "bert", "distilbert")
    card = (
        train(replace(recipe, model=str(start)), tmp_path / "run").model / "README.md"
    ).read_text()
    assert "Trained from `bert`" in card
    assert "`pairs.jsonl` | 12 | 100.0% | no |" in card
    assert "| optimizer.learning_rate | 0.00015 |" in card
    assert str(tmp_path) not in card
