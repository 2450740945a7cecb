from pathlib import Path

from tests.training.recipes.default.public_sources import PASSAGE, write_sources
from training.recipes.default.sources import (
    Product,
    read_attributes,
    read_glossary,
    read_lexicon,
    read_phrases,
    read_products,
    read_questions,
)


def test_every_title_comes_once_with_single_spaces(tmp_path: Path) -> None:
    products = read_products(write_sources(tmp_path))
    assert products[0] == Product("Sony Turntable - PSLX350H")
    assert products[1] == Product("Kodak Black Ink Cartridge 10B", brand="Kodak")
    assert [product.cluster for product in products[2:]] == ["Apple iPhone 8 Plus 64GB", ""]


def test_questions_come_with_their_passages_in_both_languages(tmp_path: Path) -> None:
    natural, bilingual = read_questions(write_sources(tmp_path))
    assert (natural.passage, natural.spanish) == (PASSAGE, "")
    assert bilingual.spanish == "¿Cuánto mide la cuenca?"
    assert bilingual.spanish_passage == "La cuenca del Orinoco es grande."


def test_parallel_texts_are_spanish_first(tmp_path: Path) -> None:
    write_sources(tmp_path)
    assert read_phrases(tmp_path)[0] == ("Sábanas", "Sheets")
    assert read_lexicon(tmp_path)[4] == ("rojo", "red", "adj")


def test_glossary_is_whole() -> None:
    concepts = read_glossary()
    assert len(concepts) >= 1000
    for concept in concepts:
        names = (*concept.english, *concept.spanish)
        assert concept.department
        assert all(name == name.strip() != "" for name in names), concept
        assert all("\t" not in name and "|" not in name for name in names)


def test_attributes_are_whole() -> None:
    attributes = read_attributes()
    assert len(attributes) >= 300
    assert all(name.strip() for each in attributes for name in (*each.english, *each.spanish))
