from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers.utils import logging

from engine.errors import UsageError
from indexer.model import SparseModel
from indexer.model.source import find_model_directory
from tests.training.tiny_runs import PAIRS, sparse_model
from training.model.lexicon import teach
from training.model.saving import write_model

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:sentence_transformers.*"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*"),
    pytest.mark.filterwarnings("ignore:Sparse.*tensor support is in beta:UserWarning"),
]
TEXTS = [text for _, text in PAIRS]


@pytest.fixture(autouse=True)
def _quiet_loading() -> Iterator[None]:
    logger: Any = logging
    logger.disable_progress_bar()
    yield
    logger.enable_progress_bar()


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("architecture", ["bert", "distilbert"])
def test_the_numbers_are_the_same_everywhere(tmp_path: Path, dtype: str, architecture: str) -> None:
    from sentence_transformers import SparseEncoder

    model = sparse_model(tmp_path / "start", architecture=architecture)
    model.set_static_multiplier(torch.rand(model.vocabulary_size) + 0.5)
    (tmp_path / "saved").mkdir()
    write_model(model, tmp_path / "saved", dtype=dtype)
    with torch.no_grad():
        ours = model.activate(model.document_logits(model.document_tokens(TEXTS))).numpy()
    near = 1e-5 if dtype == "float32" else 2e-2

    indexed = SparseModel.load(tmp_path / "saved", dtype="float32")
    assert np.allclose(indexed.encode_document(TEXTS).toarray(), ours, atol=near)
    assert np.allclose(indexed.static_weights, model.query_weights().detach().numpy())

    theirs: Any = SparseEncoder(
        str(tmp_path / "saved"), device="cpu", model_kwargs={"dtype": "float32"}
    )
    found = theirs.encode_document(TEXTS, convert_to_sparse_tensor=False).numpy()
    assert np.allclose(found, ours, atol=near)
    queries = theirs.encode_query(TEXTS, convert_to_sparse_tensor=False).numpy()
    assert np.allclose(queries, indexed.encode_query(TEXTS).toarray(), atol=1e-5)


def test_static_weights_are_saved_to_their_power(tmp_path: Path) -> None:
    model = sparse_model(tmp_path / "start")
    with torch.no_grad():
        model.static_weights[:3] = torch.tensor([-4.0, 0.0, 9.0])
    model.static_power = 0.5
    (tmp_path / "saved").mkdir()
    write_model(model, tmp_path / "saved")
    saved = SparseModel.load(tmp_path / "saved", dtype="float32").static_weights
    assert np.allclose(saved[:3], [-2.0, 0.0, 3.0])


def test_the_layout_is_that_of_the_embedded_model(tmp_path: Path) -> None:
    _, embedded = find_model_directory(None)
    model = teach(sparse_model(tmp_path / "start"), {"algodon": ("cotton",)})
    saved = tmp_path / "saved"
    write_model(model, saved, dtype="float16", max_active_dims=7)
    (saved / "README.md").touch()

    def files(root: Path) -> set[str]:
        return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}

    assert files(embedded) <= files(saved)
    for name in ("modules.json", "router_config.json"):
        assert json.loads((saved / name).read_text()) == json.loads((embedded / name).read_text())
    settings = json.loads((saved / "config_sentence_transformers.json").read_text())
    assert settings["max_active_dims"] == 7
    expansion = json.loads((saved / "document_2_DocumentExpansion/config.json").read_text())
    assert expansion["limit"] == 7
    vectors = SparseModel.load(saved).encode_document(TEXTS)
    assert max(np.diff(vectors.indptr)) <= 7


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    model = sparse_model(tmp_path / "start")
    before = sorted((tmp_path / "start").rglob("*"))
    with pytest.raises(UsageError, match="is not empty"):
        write_model(model, tmp_path / "start")
    assert sorted((tmp_path / "start").rglob("*")) == before
    with pytest.raises(UsageError, match="max_active_dims is 0"):
        write_model(model, tmp_path / "new", max_active_dims=0)
    with pytest.raises(UsageError, match="dtype is 'float17'"):
        write_model(model, tmp_path / "new", dtype="float17")
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is a file"):
        write_model(model, tmp_path / "file")
    write_model(model, str(tmp_path / "new"))
    assert SparseModel.load(tmp_path / "new").vocabulary_size == model.vocabulary_size


def test_saving_leaves_the_model_in_training(tmp_path: Path) -> None:
    model = sparse_model(tmp_path / "start")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    (tmp_path / "saved").mkdir()
    write_model(model, tmp_path / "saved", dtype="float16")
    assert model.static_weights.dtype == torch.float32
    for name, value in model.state_dict().items():
        assert torch.equal(before[name], value), name
    model.document_logits(model.document_tokens(TEXTS)).sum().backward()  # type: ignore[no-untyped-call]
