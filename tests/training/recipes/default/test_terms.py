from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.tiny_runs import sparse_model
from training.recipes.default.sources import Wish, read_terms
from training.recipes.default.terms import english_words, words_of_terms


def test_names_are_single_words_of_letters() -> None:
    terms = read_terms()
    assert len(terms) > 16_000
    assert "triturador" in terms["garbage disposal"]
    for term, names in terms.items():
        assert names, term
        assert all(name.isalpha() and name == name.lower() for name in names), term
        assert len(set(names)) == len(names), term


def test_a_word_takes_from_each_term_that_it_names(tmp_path: Path) -> None:
    tokenizer = sparse_model(tmp_path / "model").tokenizer
    terms = {"sheet": ("Algodón", "sábanas"), "queen sheet": ("sabana",)}
    found = words_of_terms(terms, tokenizer, english=())
    assert found["algodon"] == {"sheet": pytest.approx(0.8)}
    again = {"sheet queen": ("case", "sabanas", "sabana"), "queen sheet": ("sabana",)}
    assert words_of_terms(again, tokenizer, english=["case"]) == {
        "sabana": {"sheet queen": pytest.approx(0.8)}  # one term, one name
    }
    # "sábanas" is a form of "sabana", and the second name of its term.
    each = 2**-0.6
    assert found["sabana"] == {
        "sheet": pytest.approx(0.8 * 0.8 * each),
        "queen sheet": pytest.approx(0.8 * each),
    }


def test_what_is_left_out(tmp_path: Path) -> None:
    tokenizer = sparse_model(tmp_path / "model").tokenizer
    terms = {
        "sheet": ("case", "algodon"),  # an English word
        "cotton sabana": ("sabana",),  # the word itself
        "queen": ("xyzxyz",),  # no entry
    }
    assert set(words_of_terms(terms, tokenizer, english={"case"})) == {"algodon"}


def test_english_words() -> None:
    wish = Wish(("Door-stop", "wedge"), ("tope",), ("¿Hay topes?",), '2 in. Rubber "Stop"')
    found = english_words(["garbage disposal"], [wish])
    assert found == {"garbage", "disposal", "door", "stop", "wedge", "in", "rubber"}
