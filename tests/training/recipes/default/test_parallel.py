import random

from tests.training.recipes.default.public_sources import LEXICON, PHRASES, SENTENCES
from training.recipes.default.parallel import category_names, dictionary, names, sentences
from training.recipes.default.sources import Attribute, Concept


def test_category_names_lead_from_spanish_to_english() -> None:
    phrases = [(spanish, english) for spanish, english, _ in PHRASES]
    pairs = list(category_names(phrases * 30, random.Random(1)))
    spanish = [pair for language, pair in pairs if language == "es" and "teacher_query" in pair]
    assert len(spanish) == 90
    assert {pair["document"] for pair in spanish} == {"Sheets", "Bath Towels", "Lamps"}
    assert {pair["key"] for _, pair in pairs} == {"sheets", "bath towels", "lamps"}


def test_sentences_too_short_to_search_are_left_out() -> None:
    pairs = list(sentences(SENTENCES * 20, random.Random(1)))
    assert not any("Go" in pair["document"] or "Vete" in pair["document"] for _, pair in pairs)
    english = [pair for language, pair in pairs if language == "en" and "teacher_query" not in pair]
    assert all(
        word in pair["document"].lower() for pair in english for word in pair["query"].split()
    )


def test_dictionary_gathers_the_senses_of_a_word() -> None:
    pairs = list(dictionary([*LEXICON, ("sábana", "bedsheet", "n")], random.Random(1)))
    by_word = {pair["query"]: set(pair["document"].split()) for pair in pairs}
    assert by_word["sábana"] == {"sheet", "bedsheet"}
    assert "bajo" not in by_word


def test_every_spanish_name_meets_every_english_one() -> None:
    concept = Concept("x", ("tap", "faucet"), ("grifo", "llave"), ())
    pairs = list(names([concept], [Attribute(("red",), ("rojo", "roja"))]))
    assert [(pair["query"], pair["document"]) for pair in pairs] == [
        ("grifo", "tap"), ("grifo", "faucet"), ("llave", "tap"), ("llave", "faucet"),
        ("rojo", "red"), ("roja", "red"),
    ]  # fmt: skip
