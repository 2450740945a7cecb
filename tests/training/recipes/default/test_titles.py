import random

from training.recipes.default.sources import Attribute, Concept, Product
from training.recipes.default.titles import invented_titles, spanish_for_titles, title_spans

FAUCET = Concept(
    "plumbing",
    ("kitchen faucet", "kitchen tap"),
    ("grifo de cocina", "llave de cocina"),
    (("pull-down", "extraíble"), ("single handle", "monomando")),
)
MICROWAVE = Concept("kitchen", ("microwave oven", "microwave"), ("microondas",), ())
SHARED = [Attribute(("white", "snow white"), ("blanco", "blanca")), Attribute(("red",), ("rojo",))]


def test_invented_titles_name_their_concept_and_so_do_their_queries() -> None:
    pairs = list(invented_titles([FAUCET, MICROWAVE], SHARED, 30, random.Random(5)))
    assert len(pairs) == 60
    for language, pair in pairs:
        concept = FAUCET if pair["key"] == "concept 0" else MICROWAVE
        assert any(name in pair["document"].lower() for name in concept.english)
        heads = [
            name.split()[0] for name in (concept.spanish if language == "es" else concept.english)
        ]
        assert any(head[:-1] in pair["query"] for head in heads)
        assert ("teacher_query" in pair) == (language == "es")
    assert {language for language, _ in pairs} == {"en", "es"}


def test_spans_are_words_of_the_title_or_the_name_of_the_offer() -> None:
    products = [Product("Beko White Microwave 800W", cluster="Beko MOC20")]
    for pair in title_spans(products, 50, random.Random(2)):
        assert pair["document"] == "Beko White Microwave 800W"
        assert pair["key"] == "beko moc20"
        assert set(pair["query"].split()) & {"beko", "moc20", "white", "microwave", "800w"}


def test_spanish_queries_take_concept_and_attributes_from_the_title() -> None:
    products = [
        Product("Beko White Microwave Oven 800 W", brand="Beko"),
        Product("Nothing known here"),
    ]
    pairs = list(spanish_for_titles(products, [MICROWAVE, FAUCET], SHARED, 40, random.Random(4)))
    assert len(pairs) == 40
    assert {pair["document"] for pair in pairs} == {"Beko White Microwave Oven 800 W"}
    assert all("microonda" in pair["query"] for pair in pairs)
    assert any("blanc" in pair["query"] for pair in pairs)
    assert not any("rojo" in pair["query"] for pair in pairs)
    assert all("microwave oven" in pair["teacher_query"] for pair in pairs)


def test_the_longest_name_in_a_title_is_its_concept() -> None:
    sink = Concept("kitchen", ("kitchen",), ("cocina",), ())
    products = [Product("Delta Kitchen Faucets Chrome")]
    pairs = list(spanish_for_titles(products, [sink, FAUCET], [], 5, random.Random(1)))
    assert {pair["teacher_query"].split(" ", 1)[-1] for pair in pairs} <= {
        "kitchen faucet",
        "faucet",
    }
