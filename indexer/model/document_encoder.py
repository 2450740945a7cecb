"""The document encoder: texts to sparse vectors over the vocabulary, fast on CPUs.

Texts are sorted by their length in tokens, so that every forward pass holds texts of one length:
no padding, hence no mask, and no work for either. The transformer runs length by length; the
vocabulary head, the bigger half of the work, runs over the tokens of many lengths at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.sparse import csr_matrix
from tokenizers import Tokenizer

from indexer.model.csr_rows import SparseRows, assemble, changed_vectors, positive_entries
from indexer.model.expansion import DocumentExpansion
from indexer.model.masked_lm import MaskedLanguageModel
from indexer.model.pooling import PoolingConfig, TokenGroup, VocabularyHead
from indexer.model.tokenizer import encodable
from indexer.model.worker_threads import WorkerThreads


@dataclass(frozen=True)
class EncodedDocuments:
    """`vectors` is (n, V) float32 CSR, `truncated` (n,) bool: longer than the model's maximum."""

    vectors: csr_matrix
    truncated: np.ndarray


@dataclass(frozen=True)
class _Budget:
    """How much goes through the model at once; measured, see benchmarks/encode.py."""

    window: int  # texts tokenized together: bounds memory, and sorting by length needs many
    pass_tokens: int  # tokens in one forward pass of the transformer
    head_tokens: int  # tokens in one pass of the vocabulary head
    vocabulary_block: int  # vocabulary rows whose products are pooled while in the cache


_CPU = _Budget(window=4096, pass_tokens=512, head_tokens=1024, vocabulary_block=512)
_CUDA = _Budget(window=16384, pass_tokens=16384, head_tokens=16384, vocabulary_block=4096)


class DocumentEncoder:
    """Encodes documents with a masked language model, SPLADE pooling and maybe an expansion."""

    def __init__(
        self,
        model: MaskedLanguageModel,
        tokenizer: Tokenizer,
        pooling: PoolingConfig,
        *,
        device: torch.device,
        dtype: torch.dtype,
        expansion: DocumentExpansion | None = None,
    ) -> None:
        self._expansion = expansion
        self._budget = _CUDA if device.type == "cuda" else _CPU
        self._device = device
        self._tokenizer = tokenizer
        weight = None if model.weight is None else model.weight.to(device, dtype)
        bias = None if model.bias is None else model.bias.to(device)
        model.body.to(device, dtype)
        self._model = model
        self._head = VocabularyHead(weight, bias, pooling, block_size=self._budget.vocabulary_block)

    def encode(
        self,
        texts: Sequence[str],
        *,
        batch_size: int,
        max_active_dims: int | None,
        progress: Callable[[int], None] | None,
    ) -> EncodedDocuments:
        """Encode texts; results come in the order of the texts (see `SparseModel`)."""
        expansion = self._expansion
        if expansion is not None and max_active_dims is not None:
            expansion = replace(expansion, limit=max_active_dims)
        parts: list[SparseRows] = []
        truncated = np.zeros(len(texts), dtype=np.bool_)
        with WorkerThreads(1 if self._device.type == "cuda" else None) as workers:
            for start in range(0, len(texts), self._budget.window):
                window = [encodable(text) for text in texts[start : start + self._budget.window]]
                encodings = self._tokenizer.encode_batch_fast(window)
                stop = start + len(window)
                truncated[start:stop] = [bool(encoding.overflowing) for encoding in encodings]
                token_ids = [np.array(encoding.ids, dtype=np.int64) for encoding in encodings]
                del encodings

                def encode_batch(
                    batch: list[np.ndarray], token_ids: list[np.ndarray] = token_ids
                ) -> SparseRows:
                    return self._encode_batch(batch, token_ids, max_active_dims, expansion)

                batches = self._head_batches(token_ids, batch_size, workers.count)
                for part in workers.map(encode_batch, batches):
                    parts.append(replace(part, rows=part.rows + start))
                    if progress is not None:
                        progress(len(part.rows))
        return EncodedDocuments(
            assemble(parts, (len(texts), self._model.vocabulary_size)), truncated
        )

    def _encode_batch(
        self,
        batch: list[np.ndarray],
        token_ids: list[np.ndarray],
        max_active_dims: int | None,
        expansion: DocumentExpansion | None,
    ) -> SparseRows:
        documents = np.concatenate(batch)
        groups = [TokenGroup(len(each), len(token_ids[each[0]])) for each in batch]
        with torch.inference_mode():
            if groups[0].length == 0:  # no token, not even a special one: an empty vector
                pooled = torch.zeros(len(documents), self._model.vocabulary_size)
            else:
                states = [
                    self._model.states(
                        torch.from_numpy(np.stack([token_ids[i] for i in each])).to(self._device)
                    )
                    for each in batch
                ]
                pooled = self._head.pool(torch.cat(states), groups)
            limit = max_active_dims if expansion is None else None  # an expansion has its own
            entries = positive_entries(documents, pooled, self._head.activate, limit)
        if expansion is None:
            return entries
        return changed_vectors(entries, expansion, self._model.vocabulary_size)

    def _head_batches(
        self, token_ids: list[np.ndarray], batch_size: int, workers: int
    ) -> Iterator[list[np.ndarray]]:
        """Group the forward passes, longest texts first, into batches for the head."""
        total = sum(len(ids) for ids in token_ids)
        limit = min(self._budget.head_tokens, -(-total // workers))  # work for every thread
        batch: list[np.ndarray] = []
        tokens = 0
        for documents in self._passes(token_ids, batch_size):
            length = len(token_ids[documents[0]])
            added = len(documents) * length
            if batch and (tokens + added > limit or length == 0):
                yield batch
                batch, tokens = [], 0
            batch.append(documents)
            tokens += added
        if batch:
            yield batch

    def _passes(self, token_ids: list[np.ndarray], batch_size: int) -> Iterator[np.ndarray]:
        """Yield the documents of each forward pass: positions of texts of one length."""
        lengths = np.array([len(ids) for ids in token_ids], dtype=np.int64)
        order = np.argsort(-lengths, kind="stable")
        bounds = np.flatnonzero(np.diff(lengths[order])) + 1
        for same in np.split(order, bounds):
            length = max(int(lengths[same[0]]), 1)
            size = max(1, min(batch_size, self._budget.pass_tokens // length))
            # Equal shares: a last pass of one or two texts would waste the matrix product.
            passes = -(-len(same) // size)
            yield from np.array_split(same, passes)
