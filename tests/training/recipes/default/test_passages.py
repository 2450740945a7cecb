import random
from pathlib import Path

from tests.training.recipes.default.public_sources import PASSAGE, write_sources
from training.recipes.default.passages import definitions, questions
from training.recipes.default.sources import Question


def test_questions_in_both_languages_and_spans() -> None:
    entry = Question("How big?", PASSAGE, "¿Cuánto mide?", "Mide mucho.")
    pairs = list(questions([entry], 40, random.Random(1)))
    assert pairs[0] == ("en", {"query": "How big?", "document": PASSAGE, "key": PASSAGE[:80]})
    assert pairs[1][1]["teacher_query"] == "How big?"
    assert pairs[2] == (
        "es", {"query": "¿Cuánto mide?", "document": "Mide mucho.", "key": PASSAGE[:80]},
    )  # fmt: skip
    assert len(pairs) == 43
    without = 0
    for _, pair in pairs[3:]:
        assert pair["query"] in PASSAGE.lower()
        without += pair["query"] not in pair["document"].lower()
    assert 15 < without < 40
    lengths = [len(pair["query"].split()) for _, pair in pairs[3:]]
    assert min(lengths) >= 4
    assert 3 < sum(length > 10 for length in lengths) < 20, "some are as long as their sentence"


def test_a_passage_of_one_sentence_gives_no_span() -> None:
    assert len(list(questions([Question("why", "Because it is so.")], 5, random.Random(1)))) == 1


def test_definitions_of_wordnet(tmp_path: Path) -> None:
    folder = write_sources(tmp_path) / "wordnet"
    pairs = [
        pair
        for seed in range(8)
        for pair in definitions(folder, {"dog": "perro"}, random.Random(seed))
    ]
    english = [pair for language, pair in pairs if language == "en"]
    spanish = [pair for language, pair in pairs if language == "es"]
    assert len(english) == 16
    documents = {pair["document"] for pair in english}
    assert "dog, domestic dog: a member of the genus Canis; the dog barked all night." in documents
    broader = "It is a kind of entity, that which is perceived to have its own existence."
    assert any(text.endswith(broader) for text in documents)
    assert spanish
    assert all("perro" in pair["query"] for pair in spanish)
    assert {pair["teacher_query"] for pair in spanish} == {"what is dog"}
