import random

import pytest

from training.recipes.default.wording import in_english, in_spanish, join_spanish, plural


def test_share_of_questions_is_kept() -> None:
    chance = random.Random(1)
    drawn = [in_spanish("sábana", chance, questions=0.25) for _ in range(2000)]
    assert all("sábana" in query for query in drawn)
    assert 0.2 < sum(query != "sábana" for query in drawn) / len(drawn) < 0.3
    assert in_english("sheet", chance, questions=0.0) == "sheet"


@pytest.mark.parametrize(
    ("noun", "language", "expected"),
    [
        ("grifo de cocina", "es", "grifos de cocina"),
        ("luz", "es", "luces"),
        ("taladrador", "es", "taladradores"),
        ("auriculares", "es", "auriculares"),
        ("kitchen faucet", "en", "kitchen faucets"),
        ("drill box", "en", "drill boxes"),
        ("battery", "en", "batteries"),
        ("toy", "en", "toys"),
    ],
)
def test_plural_of_the_head(noun: str, language: str, expected: str) -> None:
    assert plural(noun, language, random.Random(0), share=1.0) == expected
    assert plural(noun, language, random.Random(0), share=0.0) == noun


def test_spanish_attributes_follow_the_noun() -> None:
    words = join_spanish("grifo", ["negro", "extraíble"], random.Random(3)).split()
    assert words[0] == "grifo"
    assert [word for word in words if word in ("negro", "extraíble")] == ["negro", "extraíble"]
