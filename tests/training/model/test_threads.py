from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from training.model.threads import ShardThreads, encode_shards


@pytest.fixture()
def threads() -> Iterator[ShardThreads]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    both = ShardThreads(2)
    yield both
    both.close()
    torch.set_num_threads(before)


def test_gradients_are_those_of_one_thread(threads: ShardThreads) -> None:
    assert threads.count == 2
    generator = torch.Generator().manual_seed(0)

    def leaf(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, requires_grad=True)

    rows, weight, inner, unused = leaf(6, 3), leaf(5, 3), leaf(3, 3), leaf(2)

    class Part:
        def __init__(self, at: slice) -> None:
            self.at = at

        def __call__(self, rows: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
            return (rows[self.at] @ inner).tanh() @ weight.T

    parts = [Part(slice(0, 4)), Part(slice(4, 6))]
    leaves = [rows, weight, inner]
    expected = Part(slice(0, 6))(rows, weight)
    found = encode_shards(threads, parts, rows, weight, [inner, unused])
    assert torch.allclose(found, expected)
    factors = torch.randn(expected.shape, generator=generator)
    for one, other in zip(
        torch.autograd.grad((expected * factors).sum(), leaves),
        torch.autograd.grad((found * factors).sum(), leaves),
        strict=True,
    ):
        assert torch.allclose(one, other, atol=1e-6)


def test_a_failure_in_a_thread_is_raised(threads: ShardThreads) -> None:
    def fail(number: int) -> int:
        raise RuntimeError(f"task {number}")

    with pytest.raises(RuntimeError, match="task 1"):
        threads.map(fail, [1, 2])
