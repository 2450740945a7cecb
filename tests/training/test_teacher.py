from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel
from transformers.utils import logging

from tests.indexer.model.tiny_models import VOCABULARY, save_tokenizer, write_json
from training.configuration import Teacher
from training.model.threads import ShardThreads
from training.teacher import DenseTeacher

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:sentence_transformers.*"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*"),
]
QUERIES = ["sabana queen", "phone"]
DOCUMENTS = ["cotton sheet", "phone case", "a very long text about a queen and her bed"]


@pytest.fixture(autouse=True)
def _quiet_loading() -> Iterator[None]:
    logger: Any = logging
    logger.disable_progress_bar()
    yield
    logger.enable_progress_bar()


@pytest.fixture()
def encoder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    BertModel(
        BertConfig(
            vocab_size=len(VOCABULARY),
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
            initializer_range=0.5,
        )
    ).save_pretrained(str(tmp_path))
    save_tokenizer(tmp_path, max_length=64, truncating=True)
    return tmp_path


def teacher(path: Path, **settings: Any) -> DenseTeacher:
    return DenseTeacher(Teacher(str(path), **settings), torch.device("cpu"), ShardThreads(1))


def test_scores_are_the_cosines_of_sentence_transformers(encoder: Path) -> None:
    from sentence_transformers import SentenceTransformer

    found = teacher(encoder, scale=20.0).scores(QUERIES, DOCUMENTS)
    write_json(
        encoder / "modules.json",
        [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {
                "idx": 1,
                "name": "1",
                "path": "1_Pooling",
                "type": "sentence_transformers.models.Pooling",
            },
        ],
    )
    write_json(
        encoder / "1_Pooling" / "config.json",
        {"word_embedding_dimension": 16, "pooling_mode_mean_tokens": True},
    )
    reference: Any = SentenceTransformer(str(encoder), device="cpu")
    queries, documents = (
        reference.encode(texts, normalize_embeddings=True) for texts in (QUERIES, DOCUMENTS)
    )
    assert np.allclose(found.numpy(), 20 * queries @ documents.T, atol=0.05)
    assert found.dtype == torch.float32


def test_each_text_is_encoded_once(encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = teacher(encoder, query_prompt="query ")
    seen: list[str] = []
    forward = one._forward

    def listen(texts: Sequence[str]) -> torch.Tensor:
        seen.extend(texts)
        return forward(texts)

    monkeypatch.setattr(one, "_forward", listen)
    first = one.scores(QUERIES, DOCUMENTS)
    assert seen == [*(f"query {text}" for text in QUERIES), *DOCUMENTS]
    assert torch.allclose(one.scores(QUERIES[:1], DOCUMENTS), first[:1])
    assert len(seen) == len(set(seen)) == 5
