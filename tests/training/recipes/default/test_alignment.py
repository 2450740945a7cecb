import pytest

from training.recipes.default.alignment import align, words


def test_words_are_lower_case_without_accents_or_punctuation() -> None:
    assert words("¿Una SÁBANA de algodón, 2 niños?") == [
        "una",
        "sabana",
        "de",
        "algodon",
        "2",
        "ninos",
    ]


def test_words_that_keep_appearing_together_are_translations() -> None:
    pairs = [
        ("la casa roja", "the red house", 1.0),
        ("la casa verde", "the green house", 1.0),
        ("la mesa roja", "the red table", 1.0),
        ("la mesa verde", "the green table", 1.0),
    ]
    table = align(pairs, iterations=20)
    best = {source: translations[0][0] for source, translations in table.items()}
    assert best == {
        "la": "the", "casa": "house", "mesa": "table", "roja": "red", "verde": "green",
    }  # fmt: skip


def test_probabilities_are_sorted_and_above_the_least() -> None:
    table = align([("hoja", "leaf", 3.0), ("hoja", "sheet", 1.0), ("hoja", "page", 0.01)])
    assert [target for target, _ in table["hoja"]] == ["leaf", "sheet"]
    assert table["hoja"][0][1] == pytest.approx(3 / 4.01)


def test_pairs_with_an_empty_side_are_left_out() -> None:
    assert align([("...", "nothing", 1.0), ("perro", "dog", 1.0)]) == {"perro": [("dog", 1.0)]}
