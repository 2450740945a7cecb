"""The query encoder: a tokenizer and a table look-up; no neural network, no torch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from engine.errors import ModelError


class QueryEncoder:
    """Turns text into the distinct vocabulary entries of its tokens, each with its static weight.

    Args:
        tokenizer_json: the text of a `tokenizer.json`; truncation and padding are switched off.
        static_weights: (V,) float32.
        prompt: text that goes before every query; most models have none.

    Raises:
        ModelError: the tokenizer cannot be read, or names entries that have no weight.
    """

    def __init__(
        self, tokenizer_json: bytes, static_weights: npt.NDArray[np.float32], prompt: str = ""
    ) -> None:
        self._prompt = prompt
        try:
            self._tokenizer = Tokenizer.from_str(tokenizer_json.decode())
        except Exception as error:  # the Rust library raises bare Exception
            raise ModelError(f"the tokenizer of this model cannot be read: {error}") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        if self._tokenizer.get_vocab_size(with_added_tokens=True) > len(static_weights):
            raise ModelError(
                f"the tokenizer knows {self._tokenizer.get_vocab_size()} tokens, but there are "
                f"{len(static_weights)} static weights; the model's files do not belong together"
            )
        if not np.isfinite(static_weights).all():
            raise ModelError("the static weights of this model are not all finite numbers")
        self.static_weights = static_weights
        self._weights = static_weights.astype(np.float64)
        added = self._tokenizer.get_added_tokens_decoder()
        self._special = frozenset(at for at, token in added.items() if token.special)

    def encode_ids(self, text: str) -> npt.NDArray[np.int32]:
        """Distinct token ids of a text, ascending, (T,) int32; nothing is added around the text.

        Special tokens that the text itself gives rise to, such as `[UNK]`, are included.
        """
        ids = self._tokenizer.encode(self._prompt + text, add_special_tokens=False).ids
        return np.array(sorted(set(ids)), np.int32)

    def encode(self, text: str) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
        """Terms (T,) int32, distinct and ascending, and weights (T,) float64 of a search query.

        Special tokens are left out: a document is not more relevant for words that are as unknown
        as the query's. So are terms whose weight is zero.
        """
        return self._weigh(
            self._tokenizer.encode(self._prompt + text, add_special_tokens=False).ids
        )

    def encode_batch(
        self, texts: list[str]
    ) -> list[tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]]:
        """Encode many texts, on all cores."""
        if self._prompt:
            texts = [self._prompt + text for text in texts]
        encodings = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [self._weigh(encoding.ids) for encoding in encodings]

    def _weigh(self, ids: list[int]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
        terms = np.array(sorted(set(ids) - self._special), np.int32)
        weights = self._weights[terms]
        if not weights.all():
            kept = weights != 0
            return terms[kept], weights[kept]
        return terms, weights

    def token(self, term: int) -> str:
        """Text of a vocabulary entry; `#TERM` where the tokenizer has none."""
        token = self._tokenizer.id_to_token(int(term))
        return f"#{term}" if token is None else str(token)
