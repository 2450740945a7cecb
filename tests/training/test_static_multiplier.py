from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from tests.indexer.model.tiny_models import VOCABULARY
from tests.training.tiny_runs import sparse_model
from training.configuration import Recipe, Source, StaticWeights
from training.data.example import Example
from training.recipe_file import read_recipe
from training.static_multiplier import static_multiplier

QUEEN, CASE = VOCABULARY.index("queen"), VOCABULARY.index("case")
EXAMPLES = [[Example("queen case" if at < 10 else "queen", "d") for at in range(30)]]


def recipe(**settings: object) -> Recipe:
    weights = replace(StaticWeights(), **settings)  # type: ignore[arg-type]
    return Recipe(sources=(Source(("a",)),), static_weights=weights)


def test_a_recipe_may_want_none(tmp_path: Path) -> None:
    assert static_multiplier(sparse_model(tmp_path / "model"), recipe(), EXAMPLES) is None


def test_idf_is_scaled_and_never_zero(tmp_path: Path) -> None:
    model = sparse_model(tmp_path / "model")
    multiplier = static_multiplier(model, recipe(idf=True, idf_scale=2.0), EXAMPLES)
    assert multiplier is not None
    assert multiplier[CASE] == pytest.approx(math.log(31 / 11) / 2)
    assert 0 < multiplier[QUEEN] < 0.01


def test_function_words_weigh_little_whatever_their_spelling(tmp_path: Path) -> None:
    model = sparse_model(tmp_path / "model")
    words = ("Queen", "queen", "queen case")
    settings = {"function_words": words, "function_word_weight": 0.1}
    multiplier = static_multiplier(model, recipe(**settings), EXAMPLES)
    assert multiplier is not None
    assert multiplier[QUEEN] == pytest.approx(0.1), "once, not twice"
    assert multiplier[CASE] == 1.0, "words of several tokens are left alone"


def test_the_default_recipe_knows_how_shoppers_ask() -> None:
    words = read_recipe("default").static_weights.function_words
    assert {"busco", "tienen", "de", "¿"} <= set(words)
    assert len(set(words)) == len(words)
