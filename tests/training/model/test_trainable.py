from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from indexer.model import SparseModel
from tests.indexer.model.tiny_models import VOCABULARY, write_model
from tests.training.tiny_runs import PAIRS, sparse_model
from training.model.threads import ShardThreads

TEXTS = [text for _, text in PAIRS] + ["word " * 40, "sheet"]


@pytest.mark.parametrize("architecture", ["bert", "distilbert"])
@pytest.mark.parametrize("activation", ["relu", "log1p_relu"])
def test_vectors_are_those_of_the_indexer(
    tmp_path: Path, architecture: str, activation: str
) -> None:
    model = sparse_model(tmp_path / "model", architecture=architecture, activation=activation)
    reference = SparseModel.load(tmp_path / "model", dtype="float32")
    with torch.no_grad():
        found = model.activate(model.document_logits(model.document_tokens(TEXTS)))
    expected = reference.encode_document(TEXTS).toarray()
    assert np.allclose(found.numpy(), expected, atol=1e-5)
    queries = reference.encode_query(TEXTS)
    weights = model.query_weights().detach().numpy()
    for row, ids in enumerate(model.query_tokens(TEXTS)):
        assert queries[row].indices.tolist() == ids.tolist()
        assert np.allclose(queries[row].data, weights[ids])


def test_a_part_of_the_vocabulary_has_the_same_numbers_and_gradients(tmp_path: Path) -> None:
    model = sparse_model(tmp_path / "model")
    tokens = model.document_tokens(TEXTS)
    part = torch.tensor([10, 3, 40])
    whole = model.document_logits(tokens)[:, part]
    sampled = model.document_logits(tokens, part)
    assert torch.allclose(whole, sampled, atol=1e-6)
    parameters = list(model.masked_lm.parameters())
    expected = torch.autograd.grad(whole.relu().sum(), parameters, allow_unused=True)
    found = torch.autograd.grad(sampled.relu().sum(), parameters, allow_unused=True)
    for one, other in zip(expected, found, strict=True):
        assert (one is None) == (other is None)
        assert one is None or torch.allclose(one, other, atol=1e-5)


def test_threads_change_nothing(tmp_path: Path) -> None:
    model = sparse_model(tmp_path / "model")
    tokens = model.document_tokens(TEXTS)
    alone = model.document_logits(tokens)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    model.threads = ShardThreads(2)
    try:
        together = model.document_logits(tokens)
        assert torch.allclose(alone, together, atol=1e-6)
        parameters = list(model.masked_lm.parameters())
        expected = torch.autograd.grad(alone.relu().sum(), parameters)
        for one, other in zip(
            expected, torch.autograd.grad(together.relu().sum(), parameters), strict=True
        ):
            assert torch.allclose(one, other, atol=1e-4)
    finally:
        model.threads.close()
        torch.set_num_threads(before)


def test_documents_may_be_cut_shorter_than_the_model_does(tmp_path: Path) -> None:
    model = sparse_model(tmp_path / "model")
    (whole,), (cut,) = model.document_tokens(["a b c d e f"]), model.document_tokens(["a b c"], 4)
    assert len(whole) == 8
    assert len(cut) == 4
    assert len(model.document_tokens(["a " * 90], 999)[0]) == model.max_length


def test_a_multiplier_is_where_weights_begin_that_learned_nothing(tmp_path: Path) -> None:
    model = sparse_model(tmp_path / "model")
    with torch.no_grad():
        model.static_weights.fill_(2.0)
    multiplier = torch.linspace(0.1, 2, len(VOCABULARY))
    model.set_static_multiplier(multiplier)
    assert torch.allclose(model.query_weights(), 2 * multiplier)


def test_a_multiplier_leaves_learned_weights_as_they_are(tmp_path: Path) -> None:
    model = sparse_model(tmp_path / "model")
    before = model.query_weights().detach().clone()
    multiplier = torch.linspace(0.1, 2, len(VOCABULARY))
    model.set_static_multiplier(multiplier)
    assert torch.allclose(model.query_weights(), before)
    assert torch.allclose(model.static_weights * multiplier, before)


def test_the_projection_comes_back_for_saving(tmp_path: Path) -> None:
    model = sparse_model(tmp_path / "model")
    with model.whole() as masked_lm:
        logits = masked_lm(input_ids=torch.tensor([[2, 5, 3]])).logits
    assert logits.shape[-1] == len(VOCABULARY)
    assert model.masked_lm(input_ids=torch.tensor([[2, 5, 3]])).logits.shape[-1] == 16


def test_bfloat16_is_near(tmp_path: Path) -> None:
    write_model(tmp_path / "model")
    model = sparse_model(tmp_path / "model")
    tokens = model.document_tokens(TEXTS)
    exact = model.document_logits(tokens).detach()
    near = model.document_logits(tokens, dtype=torch.bfloat16)
    assert near.dtype == torch.float32
    assert torch.allclose(exact, near, atol=0.1 * float(exact.abs().max()))
    near.relu().sum().backward()  # type: ignore[no-untyped-call]
