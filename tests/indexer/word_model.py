"""A stand-in for a model that costs nothing and needs no torch: its vocabulary is `w0` to `w63`."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import WordLevel

WORDS = [f"w{at}" for at in range(64)]


class Encoded(NamedTuple):
    """What `SparseModel.encode_documents` returns."""

    vectors: csr_matrix
    truncated: np.ndarray


class WordModel:
    """Has what the pipeline asks of a `SparseModel`; another name gives other vectors."""

    def __init__(
        self, name: str = "words", encoded: Callable[[Sequence[str]], None] | None = None
    ) -> None:
        tokenizer = Tokenizer(WordLevel({word: at for at, word in enumerate(WORDS)}, "w0"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        self.name = name
        self.fingerprint = hashlib.sha256(name.encode()).hexdigest()
        self.vocabulary_size = len(WORDS)
        self.max_length = 1000
        self.pooling = "max"
        self.query_prompt = ""
        self.tokenizer_json = tokenizer.to_str().encode()
        self.static_weights = np.linspace(0.5, 3, len(WORDS), dtype=np.float32)
        self._encoded = encoded

    def encode_documents(
        self,
        texts: Sequence[str],
        *,
        max_active_dims: int | None = None,
        progress: Callable[[int], None] | None = None,
        **_: Any,
    ) -> Encoded:
        """Encode; the function given to the constructor is told which texts."""
        if self._encoded is not None:
            self._encoded(texts)
        rows = np.zeros((len(texts), len(WORDS)), np.float32)
        for at, text in enumerate(texts):
            for word in set(text.split()) & set(WORDS):
                rows[at, int(word[1:])] = (
                    0.5 + zlib.crc32(f"{self.name} {word}".encode()) % 300 / 100
                )
        if progress is not None:
            progress(len(texts))
        return Encoded(csr_matrix(rows), np.zeros(len(texts), np.bool_))
