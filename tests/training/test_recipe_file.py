from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import UsageError
from training.configuration import Recipe, Source
from training.recipe_file import read_recipe

TEXT = """
name = "mine"
model = "start"
steps = 7
[optimizer]
learning_rate = 1
[[sources]]
paths = ["a.jsonl", "b.jsonl"]
weight = 2
teacher = true
[teacher]
model = "some/teacher"
[dev]
patience = 3
[[dev.collections]]
path = "judged"
"""


@pytest.fixture()
def file(tmp_path: Path) -> Path:
    (tmp_path / "a.jsonl").touch()
    (tmp_path / "judged").mkdir()
    (tmp_path / "start").mkdir()
    (tmp_path / "start" / "config.json").touch()
    path = tmp_path / "recipe.toml"
    path.write_text(TEXT)
    return path


def test_paths_are_looked_for_beside_the_recipe(file: Path) -> None:
    recipe = read_recipe(file)
    folder = str(file.parent)
    assert recipe.model == f"{folder}/start"
    assert recipe.sources == (Source((f"{folder}/a.jsonl", "b.jsonl"), 2.0, True),)
    assert recipe.dev.collections[0].path == f"{folder}/judged"
    assert recipe.teacher.model == "some/teacher"
    assert recipe.optimizer.learning_rate == 1.0


def test_settings_change_values(file: Path) -> None:
    recipe = read_recipe(
        file,
        ["steps=9", "optimizer.warmup = 0.5", "model=default", 'name="x y"', "losses.flops=1e-3"],
    )
    assert (recipe.steps, recipe.optimizer.warmup, recipe.name) == (9, 0.5, "x y")
    assert recipe.model == "default"
    assert recipe.losses.flops == 1e-3
    assert recipe.optimizer.learning_rate == 1.0


def test_files_of_ones_own_take_the_place_of_the_data(file: Path) -> None:
    recipe = read_recipe(file, files=["mine.tsv"], model="bert", dev=["shop"])
    assert [source.paths for source in recipe.sources] == [("mine.tsv",)]
    assert recipe.model == "bert"
    assert recipe.teacher.model == ""
    assert (recipe.steps, recipe.epochs) == (0, 3.0)
    assert [each.path for each in recipe.dev.collections] == ["shop"]
    assert recipe.dev.patience == 3
    kept = read_recipe(file, ["steps=5", "teacher.model=t"], files=["mine.tsv"])
    assert (kept.steps, kept.teacher.model) == (5, "t")
    assert read_recipe(file, ["epochs=2"], files=["mine.tsv"]).epochs == 2


def test_the_card_is_as_the_card_says() -> None:
    card = read_recipe("card", files=["pairs.jsonl"])
    assert card.model == "distilbert/distilbert-base-uncased"
    assert (card.batch_size, card.epochs, card.seed, card.steps) == (256, 3, 42, 0)
    assert card.sampled_vocabulary == 0
    assert not card.static_weights.idf
    optimizer, losses = card.optimizer, card.losses
    rates = (optimizer.learning_rate, optimizer.static_weights_learning_rate)
    assert (*rates, optimizer.output_bias_learning_rate) == (2e-5, 2e-5, 2e-5)
    assert (optimizer.warmup, optimizer.weight_decay) == (0.1, 0)
    assert (losses.ranking, losses.ranking_scale, losses.flops) == (1, 1, 0.003)
    assert losses.bag_of_words == losses.teacher == losses.margin_mse == losses.kl == 0


def test_the_default_is_for_data_of_ones_own_too() -> None:
    recipe = read_recipe("default", files=["pairs.jsonl"])
    assert recipe.name == recipe.model == "default"
    assert recipe.static_weights.idf
    assert recipe.sampled_vocabulary > 0


BAD = [
    ("step = 3", "sets step, which does not exist: did you mean steps?"),
    ("[optimizer]\nxyz = 3", "sets optimizer.xyz, which does not exist: it knows"),
    ("steps = 1.5", "steps is 1.5, but must be a whole number"),
    ("seed = true", "seed is True, but must be a whole number"),
    ("name = 3", "name is 3, but must be a text"),
    ("[static_weights]\nidf = 1", "static_weights.idf is 1, but must be true or false"),
    ("optimizer = 3", "optimizer must be a table"),
    ("sources = 3", "sources is 3, but must be a list"),
    ("[[sources]]\nweight = 1", "lacks 'paths'"),
    ("[optimizer]\nwarmup = 'a'", "optimizer.warmup is 'a', but must be a number"),
    ("batch_size = 0", "batch_size is 0"),
    ("a b", "is no valid TOML"),
]


@pytest.mark.parametrize(("text", "said"), BAD, ids=[said for _, said in BAD])
def test_mistakes_are_told_with_file_and_name(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_recipe(path)
    assert f"recipe {path}" in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("setting", ["steps", "=3", "steps.x=3", "sources.x=1"])
def test_a_setting_that_sets_nothing(file: Path, setting: str) -> None:
    with pytest.raises(UsageError):
        read_recipe(file, [setting])


def test_a_recipe_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name a TOML file, default or card"):
        read_recipe(tmp_path / "nothing.toml")


def test_what_a_recipe_says_can_be_read_again() -> None:
    values = Recipe(sources=(Source(("a",)),)).to_dict()
    from training.recipe_file import build_recipe

    assert build_recipe(values) == Recipe(sources=(Source(("a",)),))
