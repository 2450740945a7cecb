from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from tests.indexer.model.test_expansion import V, expansion, matrices, vectors
from training.model.shares_of_words import SharesOfWords, expanded


@given(matrices, vectors, st.lists(st.integers(0, V - 1), unique=True))
def test_it_is_the_document_expansion_of_some_words(
    entries: list[tuple[int, int, float]], rows: list[list[float]], asked: list[int]
) -> None:
    whole = expansion(entries)
    takers = np.array(sorted(asked), dtype=np.int64)
    documents = np.array(rows, dtype=np.float32).reshape(-1, V)
    givers, shares = SharesOfWords(whole).of(takers)
    assert givers.dtype == np.int64
    assert shares.dtype == np.float32
    assert shares.shape == (len(givers), len(takers))
    assert givers.tolist() == sorted({giver for giver, taker, _ in entries if taker in asked})
    found = expanded(
        torch.from_numpy(documents[:, takers]),
        torch.from_numpy(documents[:, givers]),
        torch.from_numpy(shares),
    )
    expected = whole(csr_matrix(documents)).toarray()[:, takers]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_givers_learn_from_the_words_that_take() -> None:
    _, shares = SharesOfWords(expansion([(0, 2, 0.5), (1, 2, 0.25)])).of(np.array([0, 2]))
    generator = torch.Generator().manual_seed(0)
    takers, givers = (
        torch.rand(3, 2, generator=generator, dtype=torch.float64).requires_grad_() for _ in "tg"
    )
    given = torch.from_numpy(shares).double()
    assert torch.autograd.gradcheck(lambda t, g: expanded(t, g, given), (takers, givers))
    expanded(takers, givers, given).sum().backward()  # type: ignore[no-untyped-call]
    assert givers.grad is not None and (givers.grad > 0).all()
