"""The query encoder: a tokenizer and a table look-up; no neural network, no torch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from engine.errors import ModelError, UsageError
from engine.retrieval.known_words import KnownWords, splits_at_spaces
from engine.retrieval.parameters import MAX_QUERY_TERMS


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
            self._tokenizer = Tokenizer.from_buffer(tokenizer_json)
        except BaseException as error:
            if not _is_of_the_tokenizer(error):
                raise
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
        special = (at for at, token in added.items() if token.special)
        self._left_out = frozenset((*special, *np.flatnonzero(static_weights == 0).tolist()))
        self._words: KnownWords | None = None
        if splits_at_spaces(self._tokenizer):
            self._words = KnownWords(lambda word: set(self._token_ids(word)) - self._left_out)

    def encode_ids(self, text: str) -> npt.NDArray[np.int32]:
        """Distinct token ids of a text, ascending, (T,) int32; nothing is added around the text.

        Special tokens that the text itself gives rise to, such as `[UNK]`, are included.
        """
        return np.array(sorted(set(self._token_ids(self._prompt + text))), np.int32)

    def encode(self, text: str) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
        """Terms (T,) int32, distinct and ascending, and weights (T,) float64 of a search query.

        Special tokens are left out: a document is not more relevant for words that are as unknown
        as the query's. So are terms whose weight is zero.
        """
        return self.weigh(self.entries(text))

    def entries(self, text: str) -> set[int]:
        """Vocabulary entries that a search query is made of, see `encode`: its first step."""
        text = self._prompt + text
        entries = None if self._words is None else self._words.entries(text)
        return set(self._token_ids(text)) - self._left_out if entries is None else entries

    def weigh(self, entries: set[int]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
        """The second step of `encode`: entries in order, and their weights.

        Raises:
            UsageError: they are more than can be searched for.
        """
        # A text of the longest may have more, where a tokenizer or a prompt makes them.
        if len(entries) > MAX_QUERY_TERMS:
            raise UsageError(
                f"a query has at most {MAX_QUERY_TERMS} terms, and this one {len(entries)}; "
                "shorten it"
            )
        terms = np.array(sorted(entries), np.int32)
        try:
            return terms, self._weights.take(terms)
        except IndexError as error:
            raise _cannot_encode(error) from error

    def encode_batch(
        self, texts: list[str]
    ) -> list[tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]]:
        """Encode many texts; what is new in them is tokenized on all cores."""
        if self._prompt:
            texts = [self._prompt + text for text in texts]
        words = self._words
        if words is None:
            return [self.weigh(entries) for entries in self._entries_of_all(texts)]
        words.learn(texts, self._entries_of_all)
        found = [words.entries(text) for text in texts]
        missing = [text for text, entries in zip(texts, found, strict=True) if entries is None]
        others = iter(self._entries_of_all(missing))
        return [self.weigh(next(others) if entries is None else entries) for entries in found]

    def _entries_of_all(self, texts: list[str]) -> list[set[int]]:
        try:
            encodings = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        except BaseException as error:
            if not _is_of_the_tokenizer(error):
                raise
            raise _cannot_encode(error) from error
        return [set(encoding.ids) - self._left_out for encoding in encodings]

    def _token_ids(self, text: str) -> list[int]:
        try:
            encoding = self._tokenizer.encode(text, add_special_tokens=False)
        except BaseException as error:
            if not _is_of_the_tokenizer(error):
                raise
            raise _cannot_encode(error) from error
        ids: list[int] = encoding.ids
        return ids

    def token(self, term: int) -> str:
        """Text of a vocabulary entry; `#TERM` where the tokenizer has none."""
        token = self._tokenizer.id_to_token(int(term))
        return f"#{term}" if token is None else str(token)


def _is_of_the_tokenizer(error: BaseException) -> bool:
    """Whether the Rust library raised it: bare exceptions, and panics over files that lie."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def _cannot_encode(error: BaseException) -> ModelError:
    return ModelError(f"the tokenizer of this model cannot encode the query: {error}")
