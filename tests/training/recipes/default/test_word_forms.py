from __future__ import annotations

import torch
from torch.nn.functional import normalize

from training.recipes.default.word_forms import shared_entries

MEANINGS = {
    "lampara": (1, 0, 0), "lamparas": (1, 0.1, 0),
    "ventilador": (0, 1, 0), "ventiladores": (0.1, 1, 0),
    "inalambrico": (0, 0, 1), "inalambrica": (0, 0, 1), "inalambricos": (0, 0.1, 1),
    "puerto": (1, 0, 0), "puerta": (0, 1, 0), "puertas": (0, 1, 0),
    "plastic": (0, 1, 1), "plastico": (0, 1, 1), "plasticos": (0, 1, 1),
    "mesa": (1, 1, 0), "mesas": (1, 1, 0),
    "gas": (1, 0, 0), "ga": (1, 0, 0),
    "foco": (1, 0, 0), "focos": (1, 1, 0), "salon": (1, 0, 0), "salones": (1, 1, 0),
}  # fmt: skip


def entries(*words: str, known: tuple[str, ...] = ()) -> dict[str, str]:
    def meaning(word: str) -> torch.Tensor | None:
        row = MEANINGS.get(word)
        return None if row is None else normalize(torch.tensor(row, dtype=torch.float32), dim=0)

    return shared_entries(dict.fromkeys(words, 1.0), known, meaning)


def test_plurals_share_the_entry_of_the_singular() -> None:
    assert entries("lampara", "lamparas", "ventilador", "ventiladores") == {
        "lamparas": "lampara",
        "ventiladores": "ventilador",
    }
    assert entries("lamparas") == {}, "the singular must be there to be begun with"
    assert entries("mesas", known=("mesa",)) == {"mesas": "mesa"}


def test_a_spanish_plural_may_be_less_alike_than_one_of_an_english_entry() -> None:
    assert entries("foco", "focos") == {"focos": "foco"}
    assert entries("focos", known=("foco",)) == {}


def test_genders_share_their_stem() -> None:
    assert entries("inalambrico", "inalambrica", "inalambricos") == {
        "inalambrico": "inalambric",
        "inalambrica": "inalambric",
        "inalambricos": "inalambric",
    }
    assert entries("inalambrico", "inalambricos") == {"inalambricos": "inalambrico"}


def test_words_that_begin_with_an_english_word_of_their_meaning_need_no_entry() -> None:
    assert entries("plastico", "plasticos", known=("plastic",)) == {
        "plastico": "plastic",
        "plasticos": "plastic",
    }


def test_other_meanings_and_short_words_stay_apart() -> None:
    assert entries("puerto", "puerta", "puertas") == {"puertas": "puerta"}
    assert entries("ga", "gas") == {}
    assert entries("cosa", "cosas") == {}, "nothing is known of what they mean"
