from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from tests.indexer.model.test_expansion import (
    PHRASES,
    V,
    expansion,
    matrices,
    phrase_matrices,
    vectors,
    with_phrases,
)
from training.model.shares_of_words import SharesOfWords, expanded


@given(matrices, phrase_matrices, vectors, st.lists(st.integers(0, V - 1), unique=True))
def test_it_is_the_document_expansion_of_some_words(
    plain: list[tuple[int, int, float]],
    entries: list[tuple[int, int, float]],
    rows: list[list[float]],
    asked: list[int],
) -> None:
    takers = np.array(sorted(asked), dtype=np.int64)
    documents = np.array(rows, dtype=np.float32).reshape(-1, V)
    for whole in (expansion(plain), with_phrases(entries)):
        givers = SharesOfWords(whole).of(takers)
        found = expanded(
            torch.from_numpy(documents[:, takers]),
            torch.from_numpy(documents[:, givers.words]),
            torch.from_numpy(givers.groups),
            torch.from_numpy(givers.shares),
        )
        expected = whole(csr_matrix(documents)).toarray()[:, takers]
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_only_what_gives_to_the_words_asked_for_is_named() -> None:
    entries = [(4, 3, 0.5), (V, 3, 0.25), (V + 1, 0, 1.0)]
    givers = SharesOfWords(with_phrases(entries)).of(np.array([1, 3]))
    assert givers.words.dtype == givers.groups.dtype == np.int64
    assert givers.shares.dtype == np.float32
    assert givers.words.tolist() == [0, 1, 4]
    assert [set(givers.words[group].tolist()) for group in givers.groups] == [{4}, {*PHRASES[0]}]
    assert givers.shares.tolist() == [[0, 0.5], [0, 0.25]]


def test_givers_learn_from_the_words_that_take() -> None:
    shares_of = SharesOfWords(with_phrases([(0, 2, 0.5), (4, 2, 0.25), (V, 3, 0.7)]))
    givers = shares_of.of(np.array([0, 2, 3]))
    groups, shares = torch.from_numpy(givers.groups), torch.from_numpy(givers.shares).double()
    generator = torch.Generator().manual_seed(0)
    takers, words = (
        torch.rand(2, 3, generator=generator, dtype=torch.float64).requires_grad_() for _ in "tw"
    )
    assert len(givers.words) == 3
    assert torch.autograd.gradcheck(lambda t, w: expanded(t, w, groups, shares), (takers, words))
    expanded(takers, words, groups, shares).sum().backward()  # type: ignore[no-untyped-call]
    assert words.grad is not None
    learns = words.grad > 0  # of a phrase the word that has least
    assert learns[:, [0, 2]].all()
    assert (learns[:, 1] == (words[:, 1] < words[:, 0])).all()
