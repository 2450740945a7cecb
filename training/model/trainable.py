"""The inference-free SPLADE model with gradients, both sides of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn

from engine.errors import ModelError
from indexer.model.expansion import DocumentExpansion
from indexer.model.tokenizer import encodable
from training.model.length_groups import length_groups
from training.model.max_pooling import max_pooled_logits
from training.model.threads import ShardThreads, encode_shards


@dataclass(frozen=True)
class Prompts:
    """Texts that go before every query and every document; empty for nearly all models."""

    query: str = ""
    document: str = ""


class TrainableSparseModel(nn.Module):
    """A masked language model for documents, a weight for each token of queries.

    Its `state_dict` holds the masked language model's parameters as they are on disk, the
    learned static weights (V,) float32 and their fixed multipliers (V,) float32.

    Attributes:
        masked_lm: the transformers model, without its output projection.
        projection: the projection taken off; its weight (V, d) may be that of the word embeddings.
        static_weights: learned part of the queries' weights.
        static_multiplier: fixed part, such as the inverse document frequency; the weight of a token
            is the product.
        static_power: queries weigh their tokens by the product to this power once the model is
            saved; in training by the product.
        max_length: longest document in tokens, special tokens included.
        expansion: document expansion of the model; training is with it, and keeps it as it is.
    """

    static_multiplier: torch.Tensor

    def __init__(
        self,
        masked_lm: Any,
        tokenizer: Any,
        static_weights: torch.Tensor,
        *,
        max_length: int,
        prompts: Prompts | None = None,
        double_log: bool = False,
    ) -> None:
        super().__init__()
        self.masked_lm = masked_lm
        self.tokenizer = tokenizer
        self.prompts = prompts or Prompts()
        self.double_log = double_log
        self.max_length = max_length
        self.static_power = 1.0
        self.expansion: DocumentExpansion | None = None
        self.static_weights = nn.Parameter(static_weights.detach().clone().float())
        self.register_buffer("static_multiplier", torch.ones_like(self.static_weights))
        self.projection, self._place = _take_projection_off(masked_lm)
        self._query_tokenizer: Tokenizer = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        self._query_tokenizer.no_padding()
        self._query_tokenizer.no_truncation()
        self._document_tokenizers: dict[int, Tokenizer] = {}
        self._embeddings = masked_lm.get_input_embeddings()
        self.threads = ShardThreads(1)

    @property
    def vocabulary_size(self) -> int:
        """V, the width of all vectors."""
        return int(self.projection.weight.shape[0])

    @property
    def document_tokenizer(self) -> Tokenizer:
        """Cuts documents at the model's maximum length."""
        return self._document_tokenizer(self.max_length)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.static_weights.device

    def query_weights(self) -> torch.Tensor:
        """Return the weight of each token in a query, (V,) float32, with gradient."""
        return self.static_weights * self.static_multiplier

    def final_query_weights(self) -> torch.Tensor:
        """Return the weights (V,) float32 that are saved, without gradient."""
        weights = self.query_weights().detach()
        return weights.sign() * weights.abs() ** self.static_power

    def set_static_multiplier(self, multiplier: torch.Tensor) -> None:
        """Fix the multipliers (V,) of the static weights.

        Weights that are all alike have learned nothing yet: they are multiplied. Where something
        was learned the products stay as they are.
        """
        with torch.no_grad():
            weights = self.query_weights()
            self.static_multiplier.copy_(multiplier)
            if bool((weights != weights[0]).any()):
                self.static_weights.copy_(weights / self.static_multiplier)
            else:
                self.static_weights.copy_(weights)

    def query_tokens(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return the distinct token ids of each text, ascending int64, without special tokens."""
        encodings = self._query_tokenizer.encode_batch_fast(
            [encodable(self.prompts.query + text) for text in texts], add_special_tokens=False
        )
        return [np.unique(np.array(encoding.ids, dtype=np.int64)) for encoding in encodings]

    def document_tokens(
        self, texts: Sequence[str], max_length: int | None = None
    ) -> list[np.ndarray]:
        """Return the token ids of each text, int64, with special tokens.

        Longer ones are cut at `max_length` tokens, None for the model's own.
        """
        tokenizer = self._document_tokenizer(min(self.max_length, max_length or self.max_length))
        encodings = tokenizer.encode_batch_fast(
            [encodable(self.prompts.document + text) for text in texts]
        )
        return [np.array(encoding.ids, dtype=np.int64) for encoding in encodings]

    def document_logits(
        self,
        documents: Sequence[np.ndarray],
        vocabulary: torch.Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> torch.Tensor:
        """Return the largest logit over the tokens of each document, bias included.

        `documents` are token ids, `vocabulary` (W,) int64 the entries that are wanted, None for
        all. The result is (n, W) or (n, V) float32; `dtype` is what the transformer computes in,
        bfloat16 or float32.
        """
        table, weight, bias = self._embeddings.weight, self.projection.weight, self.projection.bias
        needed, local = np.unique(np.concatenate(list(documents)), return_inverse=True)
        wanted = torch.from_numpy(needed).to(self.device)
        if vocabulary is not None and weight is table:
            # One look-up in the table: each one more would cost a dense gradient of its size.
            both = table[torch.cat([wanted, vocabulary])]
            rows, weight = both[: len(wanted)], both[len(wanted) :]
        else:
            rows = table[wanted]
            weight = weight if vocabulary is None else weight[vocabulary]
        lengths = np.array([len(each) for each in documents])
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        groups = length_groups(lengths, self.device.type, shards=self.threads.count)
        shards = [
            _Shard(self, [(group, lengths[group], offsets[group]) for group in each], local, dtype)
            for each in groups
        ]
        logits = encode_shards(self.threads, shards, rows, weight, self._inner_parameters())
        if bias is not None:
            logits = logits + (bias if vocabulary is None else bias[vocabulary])
        back = np.empty(len(documents), dtype=np.int64)
        back[np.concatenate([group for each in groups for group in each])] = np.arange(len(back))
        return logits[torch.from_numpy(back).to(self.device)]

    def activate(self, logits: torch.Tensor) -> torch.Tensor:
        """Turn logits into weights, elementwise: log1p(relu(x)), for some models log1p of it."""
        weights = logits.relu().log1p()
        return weights.log1p() if self.double_log else weights

    def whole(self) -> WholeMaskedLM:
        """Put the projection back while inside the context; it gives the transformers model."""
        return WholeMaskedLM(self)

    def _document_tokenizer(self, max_length: int) -> Tokenizer:
        if max_length not in self._document_tokenizers:
            tokenizer = Tokenizer.from_str(self._query_tokenizer.to_str())
            tokenizer.enable_truncation(max_length, direction=self.tokenizer.truncation_side)
            self._document_tokenizers[max_length] = tokenizer
        return self._document_tokenizers[max_length]

    def _inner_parameters(self) -> list[nn.Parameter]:
        outer = {id(self._embeddings.weight), id(self.projection.weight), id(self.projection.bias)}
        return [each for each in self.masked_lm.parameters() if id(each) not in outer]


@dataclass(frozen=True)
class _Shard:
    """Some documents on their way through the model, on one thread.

    `groups` are (documents, lengths, offsets): documents that go through together, their numbers
    of tokens, and where these begin in `local`, which holds positions of embeddings.
    """

    model: TrainableSparseModel
    groups: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]
    local: np.ndarray
    dtype: torch.dtype

    def __call__(self, rows: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        device = rows.device
        states: list[torch.Tensor] = []
        positions: list[torch.Tensor] = []
        count = 0
        for documents, lengths, offsets in self.groups:
            longest = int(lengths.max())
            columns = np.arange(longest)[None, :]
            real = columns < lengths[:, None]
            # Beyond its end a text repeats its first token: the maximum stays what it is.
            columns = np.where(real, columns, 0)
            ids = torch.from_numpy(self.local[offsets[:, None] + columns]).to(device)
            mask = None if real.all() else torch.from_numpy(real).to(device)
            with torch.autocast(device.type, self.dtype, enabled=self.dtype != torch.float32):
                output = self.model.masked_lm(inputs_embeds=rows[ids], attention_mask=mask)
            states.append(output.logits.flatten(0, 1).to(self.dtype))
            at = np.arange(len(documents))[:, None] * longest + columns + count
            positions.append(torch.from_numpy(at).to(device))
            count += at.size
        return max_pooled_logits(torch.cat(states), weight, positions)


class WholeMaskedLM:
    """A context in which the model's masked language model has its output projection."""

    def __init__(self, model: TrainableSparseModel) -> None:
        self._model = model

    def __enter__(self) -> Any:
        parent, name = self._model._place
        setattr(parent, name, self._model.projection)
        return self._model.masked_lm

    def __exit__(self, *_: object) -> None:
        parent, name = self._model._place
        setattr(parent, name, nn.Identity())


def _take_projection_off(masked_lm: Any) -> tuple[nn.Linear, tuple[nn.Module, str]]:
    projection = masked_lm.get_output_embeddings()
    names = [name for name, module in masked_lm.named_modules() if module is projection]
    if not isinstance(projection, nn.Linear) or len(names) != 1:
        raise ModelError(
            f"a {type(masked_lm).__name__} has no plain output projection that can be trained: "
            "start from BERT, DistilBERT or the like"
        )
    parent_name, _, attribute = names[0].rpartition(".")
    parent = masked_lm.get_submodule(parent_name)
    setattr(parent, attribute, nn.Identity())
    return projection, (parent, attribute)
