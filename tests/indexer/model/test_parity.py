"""The numbers are sentence-transformers' own, to 1e-4 in float32."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from transformers.utils import logging

from indexer.model import SparseModel
from indexer.model.source import find_model_directory
from tests.indexer.model.tiny_models import LAYOUTS, add_expansion, write_model

# Importing sentence-transformers and its data set dependencies warns about their own insides.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:sentence_transformers.*"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*"),
    pytest.mark.filterwarnings("ignore:Sparse.*tensor support is in beta:UserWarning"),
]

TEXTS = [
    "queen cotton sheet",
    "sábana de algodón",
    "",
    "phone case! phone case?",
    "Ünïcödé 日本語 \U0001f6cf️ ﬁ \u200b\x00 ß İ",
    "[UNK] typed [CLS] and [MASK]",
    "word " * 40,
    "sheet",
    "a b c d e f g h i j k l m n o p q r s",
    "queen",
]
CARD_QUERY = "¿Hay una sábana de algodón ajustada disponible en tamaño queen?"
CARD_DOCUMENTS = [
    "Fitted queen size cotton bed sheet, white, deep pocket",
    "Shower curtain with hooks, waterproof polyester, 72 x 72 inches",
    "Protective phone case with a clear back and shock absorbing corners",
]


@pytest.fixture(autouse=True)
def _quiet_loading() -> Iterator[None]:
    logger: Any = logging
    logger.disable_progress_bar()
    yield
    logger.enable_progress_bar()


def reference(directory: Path) -> Any:
    from sentence_transformers import SparseEncoder

    # An expansion is a module of ours, which is loaded only from those who are trusted.
    return SparseEncoder(
        str(directory),
        device="cpu",
        local_files_only=True,
        trust_remote_code=True,
        model_kwargs={"dtype": "float32"},
    )


def dense(vectors: csr_matrix) -> np.ndarray:
    array: np.ndarray = vectors.toarray()
    return array


def assert_same(model: SparseModel, theirs: Any, texts: list[str], **options: Any) -> None:
    expected_queries = theirs.encode_query(texts).to_dense().numpy()
    expected = theirs.encode_document(texts, **options).to_dense().numpy()
    queries, documents = model.encode_query(texts), model.encode_document(texts, **options)
    assert queries.dtype == documents.dtype == np.float32
    np.testing.assert_allclose(dense(queries), expected_queries, atol=1e-4)
    np.testing.assert_allclose(dense(documents), expected, atol=1e-4)
    similarity = theirs.similarity(
        theirs.encode_query(texts), theirs.encode_document(texts, **options)
    )
    np.testing.assert_allclose(model.similarity(queries, documents), similarity.numpy(), rtol=1e-4)


@pytest.mark.parametrize("architecture", ["bert", "distilbert"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_equals_sentence_transformers(
    tmp_path: Path, layout: str, architecture: str
) -> None:
    model = SparseModel.load(
        write_model(tmp_path / layout, layout, architecture=architecture), dtype="float32"
    )
    # sentence-transformers reads the two newer layouts only; the same model in the newest stands
    # in for the others.
    twin = layout if layout in ("v5", "v6") else "v6"
    theirs = reference(write_model(tmp_path / "twin", twin, architecture=architecture))
    assert_same(model, theirs, TEXTS)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("pooling", "activation"), [("max", "log1p_relu"), ("sum", "relu"), ("sum", "log1p_relu")]
)
def test_pooling_and_activation(tmp_path: Path, layout: str, pooling: str, activation: str) -> None:
    kinds: dict[str, Any] = {"pooling": pooling, "activation": activation}
    model = SparseModel.load(write_model(tmp_path / layout, layout, **kinds), dtype="float32")
    assert_same(model, reference(write_model(tmp_path / "twin", "v6", **kinds)), TEXTS)


def test_max_active_dims(tmp_path: Path) -> None:
    root = write_model(tmp_path / "model")
    model = SparseModel.load(root, dtype="float32")
    assert_same(model, reference(root), TEXTS, max_active_dims=5)
    assert np.diff(model.encode_document(TEXTS, max_active_dims=5).indptr).max() == 5


@pytest.mark.parametrize("limit", [None, 8])
def test_expansion(tmp_path: Path, limit: int | None) -> None:
    entries = [("cotton", "algodon", 0.7), ("sheet", "sabana", 0.5), ("queen", "sabana", 0.25)]
    root = add_expansion(write_model(tmp_path / "model"), entries, limit)
    model = SparseModel.load(root, dtype="float32")
    theirs = reference(root)
    assert_same(model, theirs, TEXTS)
    theirs.save(str(tmp_path / "again"))
    again = SparseModel.load(tmp_path / "again", dtype="float32")
    same = again.encode_document(TEXTS) - model.encode_document(TEXTS)
    assert abs(same).max() < 1e-5


def test_prompts_and_lengths_of_the_files(tmp_path: Path) -> None:
    root = write_model(
        tmp_path / "model",
        transformer_config={"max_seq_length": 7},
        settings={"prompts": {"query": "sheet ", "document": "phone "}},
    )
    model = SparseModel.load(root, dtype="float32")
    assert model.max_length == 7
    short = [text for text in TEXTS if len(text) < 20]
    assert_same(model, reference(root), short)


@pytest.fixture(scope="module")
def default_model() -> SparseModel:
    return SparseModel.load(device="cpu", dtype="float32")


def test_default_model(default_model: SparseModel) -> None:
    theirs = reference(find_model_directory(None)[1])
    texts = [*TEXTS, CARD_QUERY, *CARD_DOCUMENTS]
    assert_same(default_model, theirs, texts)
    scores = default_model.similarity(
        default_model.encode_query([CARD_QUERY]), default_model.encode_document(CARD_DOCUMENTS)
    )
    expected = theirs.similarity(
        theirs.encode_query([CARD_QUERY]), theirs.encode_document(CARD_DOCUMENTS)
    ).numpy()
    np.testing.assert_allclose(scores, expected, atol=1e-4)
    assert scores[0].argmax() == 0
    assert np.array_equal(np.argsort(-scores[0]), np.argsort(-expected[0]))


def test_bfloat16_is_close(default_model: SparseModel) -> None:
    rough = SparseModel.load(device="cpu", dtype="bfloat16")
    assert rough.fingerprint == default_model.fingerprint
    # Without its limit of active dimensions, near which rounding decides which weight is left out.
    every = default_model.vocabulary_size
    exact, close = (
        dense(model.encode_document(CARD_DOCUMENTS, max_active_dims=every))
        for model in (default_model, rough)
    )
    # A word that takes weight from several others takes the rounding of all of them.
    assert np.abs(exact - close).max() < 0.2
