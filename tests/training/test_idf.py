from __future__ import annotations

import math
from pathlib import Path

import pytest

from tests.indexer.model.tiny_models import VOCABULARY
from tests.training.tiny_runs import sparse_model
from training.configuration import Source
from training.data.example import Example
from training.idf import query_idf


def test_frequent_tokens_have_a_low_idf(tmp_path: Path) -> None:
    model = sparse_model(tmp_path / "model")
    often = [Example("queen case" if at < 10 else "queen", "d") for at in range(30)]
    idf = query_idf(model, [Source(("a",))], [often])
    assert idf[VOCABULARY.index("queen")] == pytest.approx(math.log(31 / 31))
    assert idf[VOCABULARY.index("case")] == pytest.approx(math.log(31 / 11))
    assert idf[VOCABULARY.index("sheet")] == pytest.approx(math.log(31))


def test_a_source_counts_by_its_share(tmp_path: Path) -> None:
    model = sparse_model(tmp_path / "model")
    large, small = [Example("queen", "d")] * 90, [Example("case", "d")] * 10
    sources = [Source(("a",), weight=1), Source(("b",), weight=3)]
    idf = query_idf(model, sources, [large, small])
    assert idf[VOCABULARY.index("queen")] == pytest.approx(math.log(101 / 26))
    assert idf[VOCABULARY.index("case")] == pytest.approx(math.log(101 / 76))
