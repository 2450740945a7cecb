from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel, WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer, Whitespace
from tokenizers.processors import TemplateProcessing

from engine import ModelError, UsageError
from engine.retrieval.parameters import MAX_QUERY_TERMS
from engine.retrieval.query_encoder import QueryEncoder

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "sa", "##bana", "queen", "de", "sabanas", "query", ":"]


def tokenizer_json(**settings: bool) -> bytes:
    tokenizer = Tokenizer(WordPiece({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.add_special_tokens(WORDS[:4])
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    if settings.get("fixed_length"):
        tokenizer.enable_truncation(3)
        tokenizer.enable_padding(length=8)
    text: str = tokenizer.to_str()
    return text.encode()


WEIGHTS = np.array([9, 9, 9, 9, 1, 2, 3, 0, -1, 0.5, 0.25], np.float32)


def test_distinct_tokens_ascending_with_their_weights() -> None:
    terms, weights = QueryEncoder(tokenizer_json(), WEIGHTS).encode("Sábana QUEEN queen")
    assert terms.tolist() == [4, 5, 6]
    assert weights.tolist() == [1, 2, 3]
    assert terms.dtype == np.int32
    assert weights.dtype == np.float64


def test_truncation_and_padding_of_the_file_are_switched_off() -> None:
    encoder = QueryEncoder(tokenizer_json(fixed_length=True), WEIGHTS)
    terms, _ = encoder.encode("queen sábana sabanas queen queen")
    assert terms.tolist() == [4, 5, 6, 8]


def test_special_tokens_and_zero_weights_are_left_out_of_a_search() -> None:
    encoder = QueryEncoder(tokenizer_json(), WEIGHTS)
    terms, _ = encoder.encode("[CLS] queen zzz de [PAD]")
    assert terms.tolist() == [6]
    assert encoder.encode("zzz")[0].tolist() == []


def test_ids_keep_what_the_text_gives_rise_to() -> None:
    assert QueryEncoder(tokenizer_json(), WEIGHTS).encode_ids("zzz de").tolist() == [1, 7]


def test_a_batch_equals_its_queries_one_by_one() -> None:
    encoder = QueryEncoder(tokenizer_json(), WEIGHTS, "query: ")
    texts = ["queen", "", "sábana zzz", "de sabanas"]
    for text, (terms, weights) in zip(texts, encoder.encode_batch(texts), strict=True):
        assert terms.tolist() == encoder.encode(text)[0].tolist()
        assert weights.tolist() == encoder.encode(text)[1].tolist()
        assert {9, 10} <= set(terms.tolist())


def test_entries_have_names() -> None:
    encoder = QueryEncoder(tokenizer_json(), np.ones(20, np.float32))
    assert encoder.token(5) == "##bana"
    assert encoder.token(15) == "#15"


@pytest.mark.parametrize("content", [b"", b"{}", b"not json", b"\xff\xfe"])
def test_a_tokenizer_that_cannot_be_read(content: bytes) -> None:
    with pytest.raises(ModelError, match="tokenizer"):
        QueryEncoder(content, WEIGHTS)


def test_too_few_weights() -> None:
    with pytest.raises(ModelError, match="11 tokens, but there are 3"):
        QueryEncoder(tokenizer_json(), np.ones(3, np.float32))


def lying(**model: object) -> bytes:
    """A tokenizer.json that is well-formed, and wrong."""
    content = json.loads(tokenizer_json())
    content["model"] = {**content["model"], **model}
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"[" * 10_000,
        lying(type="Nonsense"),
        # The library panics over this one, which Python sees as no ordinary exception.
        lying(type="BPE", vocab={"a": 0}, merges=["a a"]),
    ],
)
def test_tokenizers_that_cannot_be_read(content: bytes) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        QueryEncoder(content, WEIGHTS)


@pytest.mark.parametrize(
    "content", [lying(unk_token="nowhere"), lying(vocab={"[UNK]": 0, "sa": 999_999})]
)
def test_tokenizers_that_cannot_encode(content: bytes) -> None:
    encoder = QueryEncoder(content, WEIGHTS)
    with pytest.raises(ModelError, match="cannot encode"):
        encoder.encode("zzz sa")
    with pytest.raises(ModelError, match="cannot encode"):
        encoder.encode_batch(["zzz sa"])


@pytest.mark.parametrize("split", [Whitespace(), BertPreTokenizer()])
def test_more_terms_than_kernels_have_room_for(split: Any) -> None:
    """A prompt, too, comes out of the index that somebody else may have made."""
    words = [f"w{at}" for at in range(MAX_QUERY_TERMS + 1)]
    tokenizer = Tokenizer(WordLevel({word: at for at, word in enumerate(words)}, unk_token="w0"))
    tokenizer.pre_tokenizer = split
    file = tokenizer.to_str().encode()
    weights = np.ones(len(words), np.float32)
    most = QueryEncoder(file, weights, " ".join(words[:-1]) + " ")
    assert len(most.encode("w1")[0]) == MAX_QUERY_TERMS
    for encode in (most.encode, lambda text: most.encode_batch([text])):
        with pytest.raises(UsageError, match="at most 65536 terms"):
            encode(words[-1])
