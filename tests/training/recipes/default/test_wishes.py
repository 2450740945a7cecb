from pathlib import Path

from training.recipes.default import sources
from training.recipes.default.sources import Wish, read_wishes
from training.recipes.default.wishes import wishes

SHEET = Wish(
    ("queen sheet", "for my bed"),
    ("sábana queen", "sabana matrimonial"),
    ("¿Hay sábanas?",),
    "A Sheet",
)


def test_every_query_of_a_wish_goes_with_its_title() -> None:
    pairs = list(wishes([SHEET]))
    assert [(language, pair["query"]) for language, pair in pairs] == [
        ("en", "queen sheet"),
        ("en", "for my bed"),
        ("es", "sábana queen"),
        ("es", "sabana matrimonial"),
        ("es", "¿Hay sábanas?"),
    ]
    assert {pair["document"] for _, pair in pairs} == {"A Sheet"}
    assert [pair.get("teacher_query") for _, pair in pairs] == [None] * 2 + ["queen sheet"] * 3


def test_wishes_for_one_title_do_not_rank_each_others_documents() -> None:
    again = Wish(("bed sheet",), ("sábana",), ("¿Venden sábanas?",), "a sheet")
    assert len({pair["key"] for _, pair in wishes([SHEET, again])}) == 1


def test_every_line_has_four_fields() -> None:
    files = list(Path(sources.__file__).with_name("wishes").glob("*.tsv"))
    assert len(files) == 8
    for file in files:
        lines = file.read_text(encoding="utf-8").splitlines()
        assert {line.count("\t") for line in lines} == {3}, file


def test_wishes_are_whole() -> None:
    written = read_wishes()
    assert len(written) > 18_000
    for wish in written:
        queries = (*wish.english, *wish.spanish, wish.title)
        assert all(query.strip() == query != "" for query in queries), wish
