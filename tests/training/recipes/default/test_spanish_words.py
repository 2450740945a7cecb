import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import Whitespace

from training.recipes.default.spanish_words import (
    choose_words,
    mean_translation,
    share_meanings,
    starting_rows,
    weigh_words,
)


def test_heaviest_words_are_chosen() -> None:
    weights = weigh_words([("sábana roja", 3.0), ("sábana x 12", 2.0), ("mesa verde", 1.0)])
    assert weights == {"sabana": 5.0, "roja": 3.0, "mesa": 1.0, "verde": 1.0}
    assert choose_words(weights, 2) == ["roja", "sabana"]
    assert choose_words(weights, 99) == ["mesa", "roja", "sabana", "verde"]


def test_shared_entries_mean_what_their_words_mean() -> None:
    translations = {
        "rojo": [("red", 1.0)],
        "roja": [("red", 0.5), ("reddish", 0.5)],
        "azul": [("blue", 1.0)],
    }
    shared = share_meanings(
        {"rojo": "roj", "roja": "roj", "rara": "rar"}, {"rojo": 3.0, "roja": 1.0}, translations
    )
    assert shared == {**translations, "roj": [("red", 0.875), ("reddish", 0.125)]}


def test_words_without_content_have_no_mean_translation() -> None:
    tokenizer = Tokenizer(WordPiece({"[UNK]": 0, "the": 1}, unk_token="[UNK]"))
    assert mean_translation([("the", 1.0)], tokenizer, torch.eye(2)) is None


def test_rows_are_means_of_translations_or_of_pieces() -> None:
    vocabulary = {"[UNK]": 0, "sheet": 1, "bed": 2, "##s": 3, "me": 4, "##sa": 5}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    embeddings = torch.eye(6)
    translations = {"sabana": [("sheets", 0.6), ("the", 0.9), ("bed", 0.2)]}
    rows = starting_rows(["sabana", "mesa"], translations, tokenizer, embeddings)
    expected = torch.tensor([[0, 0.375, 0.25, 0.375, 0, 0], [0, 0, 0, 0, 0.5, 0.5]])
    assert torch.allclose(rows.norm(dim=1), torch.tensor(1.1))
    assert torch.allclose(rows, 1.1 * expected / expected.norm(dim=1, keepdim=True))
