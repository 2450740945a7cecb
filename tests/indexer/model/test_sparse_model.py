from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from engine.errors import UsageError
from indexer.model import SparseModel
from tests.indexer.model.tiny_models import MAX_LENGTH, VOCABULARY, write_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> SparseModel:
    return SparseModel.load(write_model(tmp_path_factory.mktemp("m") / "tiny"), dtype="float32")


def test_what_a_model_says_about_itself(model: SparseModel) -> None:
    assert model.name.endswith("tiny")
    assert model.vocabulary_size == len(VOCABULARY)
    assert model.max_length == MAX_LENGTH
    assert model.pooling == "max"
    assert model.query_prompt == ""
    assert model.static_weights.shape == (len(VOCABULARY),)
    assert model.static_weights.dtype == np.float32
    assert [model.token(i) for i in (0, 5, 6)] == ["[PAD]", "sabana", "queen"]
    assert b'"truncation":null' in model.tokenizer_json
    assert b'"padding":null' in model.tokenizer_json


@pytest.mark.parametrize("term_id", [-1, len(VOCABULARY)])
def test_no_such_token(model: SparseModel, term_id: int) -> None:
    with pytest.raises(UsageError, match="no token with id"):
        model.token(term_id)


def test_a_query_counts_each_token_once_and_is_never_cut(model: SparseModel) -> None:
    queries = model.encode_query(["queen QUEEN Sábana", "queen " * 300 + "sheet", "日"])
    tokens = [[model.token(i) for i in row.indices] for row in queries]
    assert tokens == [["sabana", "queen"], ["queen", "sheet"], ["[UNK]"]]
    assert np.array_equal(queries.data, model.static_weights[queries.indices])


def test_no_texts(model: SparseModel) -> None:
    for vectors in (model.encode_query([]), model.encode_document([])):
        assert vectors.shape == (0, len(VOCABULARY))
        assert vectors.dtype == np.float32
    assert model.encode_documents([]).truncated.shape == (0,)
    assert model.similarity(model.encode_query([]), model.encode_document(["a"])).shape == (0, 1)


def test_truncation_is_said_and_counted(model: SparseModel) -> None:
    room = MAX_LENGTH - 2  # [CLS] and [SEP] take two places
    texts = ["queen " * room, "queen " * (room + 1), "", "sheet " * 100_000]
    encoded = model.encode_documents(texts)
    assert encoded.truncated.tolist() == [False, True, False, True]
    whole = model.encode_document(["queen " * room])
    assert np.array_equal(encoded.vectors[0].toarray(), encoded.vectors[1].toarray())
    np.testing.assert_allclose(encoded.vectors[0].toarray(), whole.toarray(), atol=1e-5)


def test_order_progress_and_batches(model: SparseModel) -> None:
    texts = [" ".join(VOCABULARY[5 : 6 + i % 11]) for i in range(120)]
    done: list[int] = []
    vectors = model.encode_document(texts, batch_size=3, progress=done.append)
    assert sum(done) == 120
    assert vectors.has_canonical_format
    assert (vectors.data > 0).all()
    one_by_one = [model.encode_document([text]).toarray()[0] for text in texts[:11]]
    for i, row in enumerate(vectors.toarray()):
        np.testing.assert_allclose(row, one_by_one[i % 11], atol=1e-5)


def test_threads_are_put_back(model: SparseModel) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        threaded = model.encode_document(VOCABULARY)
        assert torch.get_num_threads() == 2
        torch.set_num_threads(1)
        single = model.encode_document(VOCABULARY)
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(threaded.toarray(), single.toarray(), atol=1e-5)


def test_an_interrupted_run_ends(model: SparseModel) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.encode_document(VOCABULARY * 20, batch_size=1, progress=stop)


@settings(max_examples=40, deadline=None)
@given(texts=st.lists(st.text(st.characters(), max_size=30), max_size=4))
def test_any_text_can_be_encoded(model: SparseModel, texts: list[str]) -> None:
    # st.characters() includes lone surrogates, control characters and unassigned code points.
    for vectors in (model.encode_query(texts), model.encode_document(texts)):
        assert vectors.shape == (len(texts), len(VOCABULARY))
        assert np.isfinite(vectors.data).all()


def test_similarity_is_the_dot_product(model: SparseModel) -> None:
    a = csr_matrix(np.array([[1, 0, 2], [0, 0, 0]], dtype=np.float32))
    b = csr_matrix(np.array([[3, 4, 0.5]], dtype=np.float32))
    products = model.similarity(a, b)
    assert products.dtype == np.float32
    assert products.tolist() == [[4.0], [0.0]]


def test_wrong_use(model: SparseModel) -> None:
    with pytest.raises(UsageError, match="wrap it in a list"):
        model.encode_query("queen")
    with pytest.raises(UsageError, match="batch_size"):
        model.encode_document(["queen"], batch_size=0)
    with pytest.raises(UsageError, match="max_active_dims"):
        model.encode_document(["queen"], max_active_dims=0)
    with pytest.raises(UsageError, match="unknown device"):
        SparseModel.load(device="tpu")
    with pytest.raises(UsageError, match="unknown dtype"):
        SparseModel.load(dtype="int4")
