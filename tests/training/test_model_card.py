from __future__ import annotations

from pathlib import Path

from training.configuration import Recipe, Source, Teacher
from training.dev_set import DevFigures
from training.model_card import CardFacts, write_model_card


def card(tmp_path: Path, recipe: Recipe, figures: DevFigures | None, taught: int = 0) -> str:
    facts = CardFacts(
        recipe=recipe,
        examples=[1200, 3],
        steps=400,
        planned=1000,
        vocabulary_size=42522,
        parameters=27_000_000,
        figures=figures,
        taught=taught,
    )
    write_model_card(tmp_path / "README.md", facts)
    return (tmp_path / "README.md").read_text(encoding="utf-8")


def test_a_card_tells_how_the_model_came_about(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").touch()
    recipe = Recipe(
        name="mine",
        model=str(tmp_path / "start"),
        gradient_accumulation=2,
        sources=(
            Source((str(tmp_path / "a.jsonl"), "b.tsv"), weight=3, teacher=True),
            Source(("c.tsv",)),
        ),
        teacher=Teacher("hub/teacher"),
    )
    figures = DevFigures(0.5, {"shop": 0.51234}, {"shop": 123.4})
    text = card(tmp_path, recipe, figures)
    for said in (
        "library_name: sentence-transformers",
        "(recipe mine)",
        "Trained from `start`; 27,000,000 parameters.",
        "400 of 1,000 steps of 2 × 64 pairs",
        "| `a.jsonl`, `b.tsv` | 1,200 | 75.0% | yes |",
        "| `c.tsv` | 3 | 25.0% | no |",
        "Dense teacher: `hub/teacher`, cosine times 20.",
        "| shop | 0.5123 | 123 |",
        "| losses.flops | 0.008 |",
    ):
        assert said in text
    assert str(tmp_path) not in text


def test_without_measurements_and_teacher(tmp_path: Path) -> None:
    recipe = Recipe(sources=(Source(("a",), teacher=True), Source(("b",))))
    text = card(tmp_path, recipe, None)
    assert "## Measured" not in text
    assert "lexicon" not in text
    assert 'SparseEncoder("path/of/this/folder")' in text
    assert "Dense teacher" not in text
    assert "| `a` | 1,200 | 50.0% | no |" in text


def test_a_taught_model_is_loaded_as_it_must_be(tmp_path: Path) -> None:
    text = card(tmp_path, Recipe(sources=(Source(("a",)), Source(("b",)))), None, taught=1234)
    assert "hands weight on to 1,234 words of a lexicon" in text
    assert 'SparseEncoder("path/of/this/folder", trust_remote_code=True)' in text
