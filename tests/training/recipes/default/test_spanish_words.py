import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import Whitespace

from training.recipes.default.spanish_words import choose_words, starting_rows


def test_heaviest_unknown_words_are_chosen() -> None:
    texts = [("sábana roja", 3.0), ("sábana x 12", 2.0), ("mesa verde", 1.0), ("table", 9.0)]
    assert choose_words(texts, {"table": 7}, 2) == ["roja", "sabana"]
    assert choose_words(texts, {"table": 7}, 99) == ["mesa", "roja", "sabana", "verde"]


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
