"""Words that are kept: whatever the text, the entries are those of the tokenizers library."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordLevel, WordPiece
from tokenizers.normalizers import BertNormalizer, Lowercase, Sequence
from tokenizers.pre_tokenizers import BertPreTokenizer, Metaspace, Whitespace

import indexer
from engine import ModelError
from engine.retrieval import known_words
from engine.retrieval.known_words import KnownWords, splits_at_spaces
from engine.retrieval.query_encoder import QueryEncoder
from tests.engine.retrieval.test_query_encoder import lying

DEFAULT = (
    Path(indexer.__file__).parent
    / "default_model"
    / "query_0_SparseStaticEmbedding"
    / "tokenizer.json"
).read_bytes()
LIBRARY: Tokenizer = Tokenizer.from_str(DEFAULT.decode())
LIBRARY.no_truncation()
LIBRARY.no_padding()
SIZE = LIBRARY.get_vocab_size()
# A fifth of the entries without a weight, as training leaves them.
WEIGHTS = np.where(np.arange(SIZE) % 5, 1 + np.arange(SIZE) / SIZE, 0).astype(np.float32)
# One for all examples, so that what it keeps of one is what it uses in the next.
ENCODER = QueryEncoder(DEFAULT, WEIGHTS)

WORDS = [
    *["queen", "sheet", "Queen", "waterproof", "men's", "3/4", '55"', "iPhone", "unbelievably"],
    *["sábana", "SÁBANA", "sa\u0301bana", "niño", "niñó", "¿qué?", "algodón", "pingüino", "x" * 60],
    *["[UNK]", "[MASK]", "[CLS]queen", "[SEP", "##bana", "ΟΔΟΣ", "Σ", "İstanbul", "ﬁne", "Ⅳ"],
    *["枕カバー", "枕", "日", "한국어", "ไทย", "👩\u200d👧", "\u0301", "e\u0301\u0323", "x" * 101],
    *["\u00a0", "\u2003", "\t", "\n", "\u200b", "\x00", "\x1c", "\ufeff", "\u2028", "\ufffd", "."],
]  # fmt: skip
TEXT = st.characters(codec="utf-8")
PIECES = st.sampled_from(WORDS) | st.text(TEXT, max_size=8)
TEXTS = st.text(TEXT, max_size=40) | st.lists(
    st.tuples(PIECES, st.sampled_from([" ", " ", "  ", "", "\u00a0", "-", " \u0301"])), max_size=40
).map(lambda pieces: "".join(map("".join, pieces)))


def by_the_library(text: str) -> list[int]:
    ids = set(LIBRARY.encode(text, add_special_tokens=False).ids)
    special = {at for at, token in LIBRARY.get_added_tokens_decoder().items() if token.special}
    return sorted(term for term in ids - special if WEIGHTS[term])


@settings(max_examples=1000, deadline=None)
@given(TEXTS)
def test_any_text(text: str) -> None:
    assert ENCODER._words is not None
    expected = by_the_library(text)
    for _ in range(2):
        terms, weights = ENCODER.encode(text)
        assert terms.tolist() == expected
        assert weights.tolist() == WEIGHTS[expected].tolist()
    ((terms, weights),) = ENCODER.encode_batch([text])
    assert terms.tolist() == expected


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXTS, max_size=6), st.sampled_from([1, 4, 1 << 14]))
def test_any_batch(texts: list[str], most: int) -> None:
    encoder = QueryEncoder(DEFAULT, WEIGHTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(known_words, "_MOST_WORDS", most)
        for _ in range(2):
            batch = encoder.encode_batch(texts)
            assert [terms.tolist() for terms, _ in batch] == [by_the_library(one) for one in texts]
            assert [weights.tolist() for _, weights in batch] == [
                WEIGHTS[by_the_library(one)].tolist() for one in texts
            ]


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.sampled_from(["query: ", "query:", " ", "[MASK]", "sá"]))
def test_any_prompt(text: str, prompt: str) -> None:
    encoder = QueryEncoder(DEFAULT, WEIGHTS, prompt)
    assert encoder.encode(text)[0].tolist() == by_the_library(prompt + text)


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("other", ["queen", "\u0301", "a\u0323", "Σ", "枕", "[", "ά"])
def test_neighbours_that_are_dangerous(word: str, other: str) -> None:
    for text in (f"{word} {other}", f"{other} {word}", f"{word}  {other} ", f" {other} {word}"):
        assert ENCODER.encode(text)[0].tolist() == by_the_library(text)


def test_every_example() -> None:
    """Queries and titles in English and in Spanish, each one twice, as shoppers ask them."""
    examples = Path(indexer.__file__).parent.parent / "examples"
    lines = [
        json.loads(line)
        for name in ("queries.jsonl", "catalog.jsonl")
        for line in (examples / name).read_text(encoding="utf-8").splitlines()
    ]
    texts = [value for line in lines for value in line.values() if isinstance(value, str)]
    assert len(texts) > 300
    for text in texts * 2:
        assert ENCODER.encode(text)[0].tolist() == by_the_library(text)


def tokenizer(change: Callable[[Tokenizer], object] | None = None) -> Tokenizer:
    words = ["[UNK]", "a", "b", "##b", "a b", "▁a"]
    made = Tokenizer(WordPiece({word: at for at, word in enumerate(words)}, unk_token="[UNK]"))
    made.normalizer = BertNormalizer()
    made.pre_tokenizer = BertPreTokenizer()
    made.add_special_tokens(["[UNK]"])
    if change is not None:
        change(made)
    return made


def test_what_is_known_to_split_at_spaces() -> None:
    assert splits_at_spaces(LIBRARY)
    assert splits_at_spaces(tokenizer())
    assert splits_at_spaces(tokenizer(lambda one: one.add_special_tokens(["[M]"])))


@pytest.mark.parametrize(
    "change",
    [
        lambda one: setattr(one, "normalizer", Sequence([Lowercase()])),
        lambda one: setattr(one, "pre_tokenizer", Metaspace()),
        lambda one: setattr(one, "pre_tokenizer", Whitespace()),
        lambda one: setattr(one, "model", WordLevel({"[UNK]": 0, "a": 1}, "[UNK]")),
        lambda one: one.add_tokens([AddedToken("a b", normalized=False)]),
        lambda one: one.add_special_tokens([AddedToken("b\u00a0a", normalized=False)]),
        lambda one: one.add_tokens(["枕a"]),
    ],
)
def test_others_are_tokenized_as_a_whole(change: Callable[[Tokenizer], object]) -> None:
    other = tokenizer(change)
    assert not splits_at_spaces(other)
    encoder = QueryEncoder(other.to_str().encode(), np.ones(9, np.float32))
    for text in ("a b", "b\u00a0a", "ab a", "枕 a"):
        special = {at for at, token in other.get_added_tokens_decoder().items() if token.special}
        expected = set(other.encode(text, add_special_tokens=False).ids) - special
        assert encoder.encode(text)[0].tolist() == sorted(expected)


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_words, "_MOST_WORDS", 10)
    asked: list[str] = []

    def entries_of(word: str) -> list[int]:
        asked.append(word)
        return [len(word)]

    words = KnownWords(entries_of)
    for at in range(95):
        assert words.entries(f"{at} {at} x") == {len(str(at)), 1}
        assert len(words._known) <= 10
    assert asked.count("94") == 1
    long = "x" * 49
    assert words.entries(f"{long} {long}") == {49}
    assert asked.count(long) == 2
    assert words.entries(" ".join("a" * 32)) == {1}
    assert words.entries(" ".join("a" * 33)) is None


def test_the_new_words_of_a_batch_are_tokenized_once_and_together() -> None:
    asked: list[list[str]] = []

    def entries_of_all(pieces: list[str]) -> list[list[int]]:
        asked.append(sorted(pieces))
        return [[len(piece)] for piece in pieces]

    words = KnownWords(lambda word: entries_of_all([word])[0])
    texts = ["a bb", "bb ccc", "x" * 49, " ".join("y" * 33)]
    words.learn(texts, entries_of_all)
    assert [words.entries(text) for text in texts] == [{1, 2}, {2, 3}, {49}, None]
    words.learn(texts, entries_of_all)
    assert asked == [["a", "bb", "ccc"], ["x" * 49], []]


def test_errors_are_not_kept() -> None:
    encoder = QueryEncoder(lying(unk_token="nowhere"), np.ones(20, np.float32))
    for _ in range(2):
        with pytest.raises(ModelError, match="cannot encode"):
            encoder.encode("queen zzz")
        assert encoder.encode("queen")[0].tolist() == [6]
