from __future__ import annotations

import pytest

from training.recipes.default.homographs import spanish_homographs

TRANSLATIONS = {
    "mesa": [("table", 0.8), ("desk", 0.2)],
    "color": [("color", 0.9), ("colour", 0.1)],
    "silicon": [("silicone", 0.6), ("glue", 0.4)],
    "sin": [("without", 0.9)],
    "red": [("network", 0.9)],
}
WEIGHTS = {"mesa": 100.0, "color": 100.0, "silicon": 100.0, "sin": 100.0, "red": 100.0}
KNOWN = dict.fromkeys(WEIGHTS, 1)


def test_words_that_spanish_uses_otherwise() -> None:
    english = {"red": 5000, "mesa": 3}
    assert spanish_homographs(WEIGHTS, KNOWN, TRANSLATIONS, english) == ["mesa"]


@pytest.mark.parametrize(
    ("weights", "known", "translations", "english"),
    [
        ({"mesa": 29.0}, KNOWN, TRANSLATIONS, {}),
        ({"mesa": 100.0}, {}, TRANSLATIONS, {}),
        ({"mesa": 100.0}, KNOWN, {}, {}),
        ({"mesa": 100.0}, KNOWN, TRANSLATIONS, {"mesa": 11}),
    ],
    ids=["rare", "not in the vocabulary", "without translation", "English too"],
)
def test_all_others_keep_their_meaning(
    weights: dict[str, float],
    known: dict[str, int],
    translations: dict[str, list[tuple[str, float]]],
    english: dict[str, float],
) -> None:
    assert spanish_homographs(weights, known, translations, english) == []
