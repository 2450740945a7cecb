"""SPLADE pooling: from token states to one vector over the vocabulary, a block of it at a time.

The vector of a document is `max` (or `sum`) over its tokens of `log1p(relu(logit))`. The maximum
commutes with the monotone functions around it, so it is taken on the raw products first, and bias,
relu and log1p then cost V instead of tokens × V operations. The tokens × V logits never exist:
products are made for a block of vocabulary rows and pooled while they are still in the cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from engine.errors import ModelError
from indexer.model.json_file import read_json_object

_STRATEGIES = ("max", "sum")
_ACTIVATIONS = ("relu", "log1p_relu")


@dataclass(frozen=True)
class PoolingConfig:
    """`strategy` is "max" or "sum"; `activation` is "relu", or "log1p_relu" for log1p twice."""

    strategy: str = "max"
    activation: str = "relu"

    @classmethod
    def read(cls, path: Path) -> PoolingConfig:
        """Read the `config.json` of a SpladePooling module; raises `ModelError` if it is bad."""
        config = read_json_object(path)
        strategy = config.get("pooling_strategy", "max")
        activation = config.get("activation_function", "relu")
        if strategy not in _STRATEGIES:
            raise ModelError(f"{path}: unknown pooling_strategy {strategy!r}, not 'max' or 'sum'")
        if activation not in _ACTIVATIONS:
            raise ModelError(
                f"{path}: unknown activation_function {activation!r}, not 'relu' or 'log1p_relu'"
            )
        return cls(strategy, activation)


@dataclass(frozen=True)
class TokenGroup:
    """`documents` consecutive documents of `length` tokens each among the token states."""

    documents: int
    length: int


class VocabularyHead:
    """The output projection of a masked language model together with SPLADE pooling.

    `weight` is (V, d) and `bias` (V,) or None. With `weight` None the token states are taken as
    the finished (tokens, V) logits, for models whose output is no plain projection.
    """

    def __init__(
        self,
        weight: torch.Tensor | None,
        bias: torch.Tensor | None,
        config: PoolingConfig,
        *,
        block_size: int,
    ) -> None:
        self._weight = weight
        self._bias = None if bias is None else bias.float()
        self._config = config
        self._block_size = block_size

    def pool(self, states: torch.Tensor, groups: Sequence[TokenGroup]) -> torch.Tensor:
        """Pool token states (tokens, d) to document activations (documents, V), float32.

        `groups` says, in order, which rows of `states` belong together. With max pooling the
        result is the largest logit with bias, still to go through `activate`; with sum pooling it
        is final. Both are positive exactly where the vector is.
        """
        vocabulary = states.shape[1] if self._weight is None else self._weight.shape[0]
        documents = sum(group.documents for group in groups)
        pooled = states.new_empty((documents, vocabulary), dtype=torch.float32)
        # One buffer for the products of all blocks stays in the cache; a new one each would not.
        buffer = states.new_empty(states.shape[0] * min(self._block_size, vocabulary))
        for start in range(0, vocabulary, self._block_size):
            stop = min(start + self._block_size, vocabulary)
            logits = self._logits(states, start, stop, buffer)
            if self._config.strategy == "sum":
                logits = self._activate_all(logits, start, stop)
            token = document = 0
            for group in groups:
                rows = logits[token : token + group.documents * group.length]
                rows = rows.reshape(group.documents, group.length, stop - start)
                target = pooled[document : document + group.documents, start:stop]
                target.copy_(rows.amax(1) if self._config.strategy == "max" else rows.sum(1))
                token += group.documents * group.length
                document += group.documents
        if self._config.strategy == "max" and self._bias is not None:
            pooled += self._bias
        return pooled

    def activate(self, values: torch.Tensor) -> torch.Tensor:
        """Turn the positive entries of `pool`'s result into weights (in place), any shape."""
        if self._config.strategy == "max":
            values.log1p_()
            if self._config.activation == "log1p_relu":
                values.log1p_()
        return values

    def _logits(
        self, states: torch.Tensor, start: int, stop: int, buffer: torch.Tensor
    ) -> torch.Tensor:
        if self._weight is None:
            return states[:, start:stop]
        shape = (states.shape[0], stop - start)
        out = buffer[: shape[0] * shape[1]].view(shape)
        return torch.mm(states, self._weight[start:stop].t(), out=out)

    def _activate_all(self, logits: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        logits = logits.float()
        if self._bias is not None:
            logits = logits + self._bias[start:stop]
        logits = logits.relu_().log1p_()
        return logits.log1p_() if self._config.activation == "log1p_relu" else logits
