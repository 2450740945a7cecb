"""`SparseModel`: an inference-free SPLADE model, both sides of it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from engine.errors import ModelError, UsageError
from engine.retrieval.query_encoder import QueryEncoder
from indexer.model.document_encoder import DocumentEncoder, EncodedDocuments
from indexer.model.expansion import read_expansion
from indexer.model.json_file import read_json_object
from indexer.model.layout import ModelLayout, read_layout
from indexer.model.masked_lm import MaskedLanguageModel, load_masked_lm, weights_digest
from indexer.model.precision import choose_device, choose_dtype
from indexer.model.source import find_model_directory
from indexer.model.static_weights import read_static_weights
from indexer.model.tokenizer import ModelTokenizer, encodable

_BATCH_SIZE = 64


class SparseModel:
    """A loaded model: encodes queries with static weights and documents with a transformer.

    Attributes:
        name: what the model was loaded as: "default", a directory or a name on the hub.
        vocabulary_size: V, the width of all vectors.
        max_length: the longest document in tokens, special tokens included; the rest is cut off.
        fingerprint: SHA-256 (hex) of everything that decides what vectors the model gives.
        tokenizer_json: the query tokenizer as canonical tokenizer.json, UTF-8 bytes.
        static_weights: float32 (V,), the weight of each token in a query.
        pooling: "max" or "sum", how logits of a document's tokens become one weight.
        query_prompt: text that goes before every query; empty for nearly all models.
    """

    def __init__(
        self,
        name: str,
        layout: ModelLayout,
        query_tokenizer: ModelTokenizer,
        static_weights: np.ndarray,
        document_encoder: DocumentEncoder,
        *,
        max_length: int,
        fingerprint: str,
    ) -> None:
        self.name = name
        self.vocabulary_size = static_weights.shape[0]
        self.max_length = max_length
        self.fingerprint = fingerprint
        self.tokenizer_json = query_tokenizer.canonical
        self.static_weights = static_weights
        self.pooling = layout.pooling.strategy
        self.query_prompt = layout.query_prompt
        self._document_prompt = layout.document_prompt
        self._max_active_dims = layout.max_active_dims
        self._query_encoder = QueryEncoder(self.tokenizer_json, static_weights, layout.query_prompt)
        self._document_encoder = document_encoder

    @classmethod
    def load(
        cls,
        name_or_path: str | os.PathLike[str] | None = None,
        *,
        device: str = "auto",
        dtype: str = "auto",
        trust_remote_code: bool = False,
    ) -> SparseModel:
        """Load the embedded default (None or "default"), a directory, or a name on the hub.

        `device` is "auto", "cpu" or "cuda"; `dtype`, the number format of the document encoder, is
        "auto" (bfloat16 where the hardware has it, else float32), "float32" or "bfloat16".
        Weights are read from safetensors only. Raises `ModelError` if the model is missing,
        incomplete, damaged or not an inference-free SPLADE model, `UsageError` for a bad option.
        """
        torch_device = choose_device(device)
        torch_dtype = choose_dtype(dtype, torch_device)
        name, directory = find_model_directory(name_or_path, trust_remote_code=trust_remote_code)
        layout = read_layout(directory)
        masked_lm = load_masked_lm(layout.document_directory, trust_remote_code=trust_remote_code)
        query_tokenizer = ModelTokenizer(
            layout.query_directory, trust_remote_code=trust_remote_code
        )
        document_tokenizer = ModelTokenizer(
            layout.document_directory, trust_remote_code=trust_remote_code
        )
        for tokenizer in (query_tokenizer, document_tokenizer):
            _check_vocabulary(tokenizer, masked_lm.vocabulary_size)
        static_weights = read_static_weights(
            layout.static_weights, query_tokenizer.tokenizer, masked_lm.vocabulary_size
        )
        max_length = _max_length(layout, document_tokenizer, masked_lm)
        lower_case = bool(layout.transformer_config.get("do_lower_case", False))
        expansion = None
        if layout.expansion is not None:
            expansion = read_expansion(layout.expansion, masked_lm.vocabulary_size)
        encoder = DocumentEncoder(
            masked_lm,
            document_tokenizer.for_documents(max_length, lower_case=lower_case),
            layout.pooling,
            device=torch_device,
            dtype=torch_dtype,
            expansion=expansion,
        )
        parts = {
            "query_tokenizer": query_tokenizer.digest,
            "static_weights": hashlib.sha256(static_weights.tobytes()).hexdigest(),
            "document_tokenizer": document_tokenizer.digest,
            "document_weights": weights_digest(layout.document_directory),
            "pooling": [layout.pooling.strategy, layout.pooling.activation],
            "prompts": [layout.query_prompt, layout.document_prompt],
            "lower_case": lower_case,
            "max_length": max_length,
            "max_active_dims": layout.max_active_dims,
            "configuration": _configuration(layout),
        }
        if expansion is not None:
            parts["expansion"] = expansion.digest
        fingerprint = _fingerprint(parts)
        return cls(
            name,
            layout,
            query_tokenizer,
            static_weights,
            encoder,
            max_length=max_length,
            fingerprint=fingerprint,
        )

    def encode_query(self, texts: Sequence[str]) -> csr_matrix:
        """Encode queries: (n, V) float32, each distinct token of a text with its static weight.

        No special tokens are added, but one typed in a text, or standing for an unknown word,
        counts like any other token. Queries are never truncated.
        """
        _check_texts(texts)
        indptr = np.zeros(len(texts) + 1, dtype=np.int64)
        rows: list[np.ndarray] = [np.empty(0, dtype=np.int32)]
        for position, text in enumerate(texts):
            term_ids = self._query_encoder.encode_ids(encodable(text))
            rows.append(term_ids[self.static_weights[term_ids] != 0])
            indptr[position + 1] = indptr[position] + len(rows[-1])
        indices = np.concatenate(rows)
        return csr_matrix(
            (self.static_weights[indices], indices, indptr),
            shape=(len(texts), self.vocabulary_size),
        )

    def encode_document(
        self,
        texts: Sequence[str],
        *,
        batch_size: int = _BATCH_SIZE,
        max_active_dims: int | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> csr_matrix:
        """Encode documents: (n, V) float32 with sorted indices and positive values only.

        The vectors of `encode_documents`, which says what the arguments mean.
        """
        return self.encode_documents(
            texts, batch_size=batch_size, max_active_dims=max_active_dims, progress=progress
        ).vectors

    def encode_documents(
        self,
        texts: Sequence[str],
        *,
        batch_size: int = _BATCH_SIZE,
        max_active_dims: int | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> EncodedDocuments:
        """Encode documents, and say which of them were longer than `max_length` tokens.

        `batch_size` is the most texts in one forward pass (long ones go in smaller groups),
        `max_active_dims` keeps the so many largest entries of each vector (None: what the model
        says, else all), `progress` is called with the number of documents newly finished. It pays
        to pass a thousand texts or more at once, because they are grouped by length.
        """
        _check_texts(texts)
        if batch_size < 1:
            raise UsageError(f"batch_size is {batch_size}: it must be 1 or more")
        if max_active_dims is None:
            max_active_dims = self._max_active_dims
        if max_active_dims is not None and max_active_dims < 1:
            raise UsageError(f"max_active_dims is {max_active_dims}: it must be 1 or more")
        if self._document_prompt:
            texts = [self._document_prompt + text for text in texts]
        return self._document_encoder.encode(
            texts, batch_size=batch_size, max_active_dims=max_active_dims, progress=progress
        )

    def similarity(self, a: csr_matrix, b: csr_matrix) -> np.ndarray:
        """Return the dot products of the rows of `a` (n, V) and `b` (m, V): float32 (n, m)."""
        products: np.ndarray = (a @ b.T).toarray()
        return products.astype(np.float32, copy=False)

    def token(self, term_id: int) -> str:
        """Text of a vocabulary entry; raises `UsageError` for one beyond the vocabulary."""
        if not 0 <= term_id < self.vocabulary_size:
            raise UsageError(f"the vocabulary of {self.name} has no token with id {term_id}")
        return self._query_encoder.token(term_id)


def _check_texts(texts: Sequence[str]) -> None:
    # A string is a sequence of strings: without this each letter would become a text.
    if isinstance(texts, str):
        raise UsageError("texts must be a list of strings, not one string: wrap it in a list")


def _check_vocabulary(tokenizer: ModelTokenizer, vocabulary_size: int) -> None:
    highest = max(tokenizer.tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)
    if highest >= vocabulary_size:
        raise ModelError(
            f"the tokenizer in {tokenizer.directory} has token ids up to {highest}, the document "
            f"encoder only {vocabulary_size} outputs: they do not belong together"
        )


def _max_length(
    layout: ModelLayout, tokenizer: ModelTokenizer, masked_lm: MaskedLanguageModel
) -> int:
    """Return the longest document in tokens, the way that sentence-transformers decides it."""
    config = layout.transformer_config
    length = (
        _nested(config, "processing_kwargs", "text", "max_length")
        or _nested(config, "document_length")
        or _nested(config, "processor_kwargs", "model_max_length")
        or _nested(config, "tokenizer_args", "model_max_length")
        or _nested(config, "max_seq_length")
    )
    if length is None:
        positions = getattr(masked_lm.body.config, "max_position_embeddings", None)
        limits = [limit for limit in (tokenizer.max_length, positions) if limit and limit > 0]
        length = min(limits, default=None)
    if not isinstance(length, int) or length < 3:
        raise ModelError(
            f"{layout.document_directory} gives a maximum length of {length!r} tokens: "
            "it must be a number of at least 3"
        )
    # More positions than the table has would fail at the first long text.
    return min(length, masked_lm.position_limit or length)


def _nested(settings: Any, *names: str) -> Any:
    """A value deep in JSON objects, None where any of them lacks it or is no object."""
    for name in names:
        if not isinstance(settings, dict):
            return None
        settings = settings.get(name)
    return settings


def _configuration(layout: ModelLayout) -> dict[str, Any]:
    """What the transformer's `config.json` says of its vectors: activations, depth, heads, ..."""
    config = read_json_object(layout.document_directory / "config.json")
    told_elsewhere = {"transformers_version", "_name_or_path", "dtype", "torch_dtype"}
    return {name: value for name, value in config.items() if name not in told_elsewhere}


def _fingerprint(parts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("utf-8")).hexdigest()
