"""The largest logit of each document for each token of a vocabulary, with gradients.

The (documents x length x V) logits never exist: they are made for a block of the vocabulary, and
the maximum over the tokens is kept together with where it was. The gradient of a maximum goes to
one token, and most gradients are zero, because relu cuts most logits off: so the way back visits
the few entries that have one instead of doing two dense matrix products.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

_BLOCK = {"cpu": 1024, "cuda": 8192}
_ENTRIES = {"cpu": 16384, "cuda": 262144}  # entries of the gradient that are worked off at a time


def max_pooled_logits(
    states: torch.Tensor, weight: torch.Tensor, positions: Sequence[torch.Tensor]
) -> torch.Tensor:
    """Return `max over tokens of states . weight`, (n, V) float32, for n documents.

    `states` is (tokens, d) of all documents, `weight` (V, d). Each of `positions` is an int64
    tensor (documents, length): which rows of `states` are the tokens of some documents, in order.
    A document that is shorter than `length` repeats one of its tokens. Products are made in the
    number format of `states`.
    """
    pooled: torch.Tensor = _MaxPooledLogits.apply(  # type: ignore[no-untyped-call]
        states, weight, *positions
    )
    return pooled


class _MaxPooledLogits(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any, states: torch.Tensor, weight: torch.Tensor, *positions: torch.Tensor
    ) -> torch.Tensor:
        documents = sum(len(each) for each in positions)
        shape = (documents, weight.shape[0])
        pooled = states.new_empty(shape, dtype=torch.float32)
        tokens = torch.empty(shape, dtype=torch.int32, device=states.device)
        cast = weight.to(states.dtype)
        size = _BLOCK[states.device.type]
        row = 0
        for each in positions:
            rows = slice(row, row + len(each))
            group = states[each.flatten()]
            for start in range(0, shape[1], size):
                columns = slice(start, min(start + size, shape[1]))
                logits = (group @ cast[columns].t()).view(*each.shape, -1)
                largest, where = logits.max(dim=1)
                pooled[rows, columns] = largest
                tokens[rows, columns] = each.gather(1, where)
            row += len(each)
        context.save_for_backward(states, weight, tokens)
        return pooled

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        states, weight, tokens = context.saved_tensors
        gradient = gradients[0]
        entries = gradient.nonzero()
        to_states = torch.zeros_like(states, dtype=torch.float32)
        to_weight = torch.zeros_like(weight, dtype=torch.float32)
        for chunk in torch.split(entries, _ENTRIES[states.device.type]):
            rows, columns = chunk.unbind(1)
            values = gradient[rows, columns].float()[:, None]
            token = tokens[rows, columns].long()
            to_states.index_add_(0, token, weight[columns].float() * values)
            to_weight.index_add_(0, columns, states[token].float() * values)
        missing = (None,) * (len(context.needs_input_grad) - 2)
        return to_states.to(states.dtype), to_weight.to(weight.dtype), *missing
