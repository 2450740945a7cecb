"""Encoding shards of a batch on threads of their own, forward and backward.

torch splits each operation over the cores and waits for the slowest at its end: on two cores that
do other work besides, this was measured to be slower than one core alone. Shards of the batch are
independent, so each thread takes one through the whole model and back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

import torch

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")

_MOST_THREADS = 8


class Shard(Protocol):
    """The part of a batch that one thread encodes."""

    def __call__(self, rows: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Return logits (documents of the shard, W), from embeddings and the head's weight."""


class ShardThreads:
    """Threads that stay, each with its share of torch's own threads."""

    def __init__(self, count: int | None = None) -> None:
        torch_threads = torch.get_num_threads()
        self.count = min(count or torch_threads, torch_threads, _MOST_THREADS)
        self._executor: ThreadPoolExecutor | None = None
        if self.count > 1:
            share = torch_threads // self.count
            self._executor = ThreadPoolExecutor(
                self.count, "shard", initializer=lambda: torch.set_num_threads(share)
            )
            # The number set in a thread is also the default of threads started later.
            list(self._executor.map(lambda _: None, range(self.count)))
            torch.set_num_threads(torch_threads)

    def map(self, function: Callable[[_Task], _Result], tasks: Sequence[_Task]) -> list[_Result]:
        """Return `function(task)` of every task, in the order of the tasks."""
        if self._executor is None:
            return [function(task) for task in tasks]
        return list(self._executor.map(function, tasks))

    def close(self) -> None:
        """End the threads."""
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)


def encode_shards(
    threads: ShardThreads,
    shards: Sequence[Shard],
    rows: torch.Tensor,
    weight: torch.Tensor,
    parameters: Sequence[torch.Tensor],
) -> torch.Tensor:
    """Return the logits of all shards, one below the other: (documents, W), with gradients.

    `parameters` are all that the shards depend on besides `rows` and `weight`. Gradients are added
    up in the order of the shards, so that the result does not depend on which thread is faster.
    """
    if len(shards) == 1:
        return shards[0](rows, weight)
    logits: torch.Tensor = _EncodeShards.apply(  # type: ignore[no-untyped-call]
        threads, shards, rows, weight, *parameters
    )
    return logits


class _EncodeShards(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any,
        threads: ShardThreads,
        shards: Sequence[Shard],
        rows: torch.Tensor,
        weight: torch.Tensor,
        *parameters: torch.Tensor,
    ) -> torch.Tensor:
        with_gradients = any(context.needs_input_grad)

        def encode(shard: Shard) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            with torch.set_grad_enabled(with_gradients):
                leaves = [each.detach().requires_grad_(with_gradients) for each in (rows, weight)]
                return shard(*leaves), leaves[0], leaves[1]

        context.threads = threads
        context.parameters = parameters
        context.encoded = threads.map(encode, shards)
        return torch.cat([logits.detach() for logits, _, _ in context.encoded])

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        encoded = context.encoded
        sizes = [len(logits) for logits, _, _ in encoded]
        parts = list(zip(encoded, torch.split(gradients[0], sizes), strict=True))
        del context.encoded

        def differentiate(part: Any) -> tuple[torch.Tensor | None, ...]:
            (logits, rows, weight), gradient = part
            return torch.autograd.grad(
                logits, [rows, weight, *context.parameters], gradient, allow_unused=True
            )

        sums: list[torch.Tensor | None] = [None] * (2 + len(context.parameters))
        for shard in context.threads.map(differentiate, parts):
            for at, gradient in enumerate(shard):
                total = sums[at]
                if total is None:
                    sums[at] = gradient
                elif gradient is not None:
                    total += gradient
        return None, None, *sums
