"""Every engine that is installed finds what exhaustive scoring finds, on a small collection."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.collections import CollectionShape, CsrRows, Query, SyntheticCollection
from benchmarks.engines import CONTENDERS
from benchmarks.exhaustive import ExhaustiveScores

_WIDTH = 400
# Numba would compile these for ten seconds each; the engine that is measured most has that time.
_SLOW_TO_COMPILE = {"bm25s"}


@pytest.fixture(scope="module")
def source() -> SyntheticCollection:
    return SyntheticCollection(CollectionShape(15, vocabulary_size=_WIDTH, topics=5))


@pytest.fixture(scope="module")
def rows(source: SyntheticCollection) -> CsrRows:
    return source.documents(300)


@pytest.fixture(scope="module")
def queries(source: SyntheticCollection) -> list[Query]:
    return source.queries(12, 4)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(set(CONTENDERS) - _SLOW_TO_COMPILE))
def test_engine(
    name: str,
    source: SyntheticCollection,
    rows: CsrRows,
    queries: list[Query],
    tmp_path: Path,
) -> None:
    kind = CONTENDERS[name]
    if reason := kind.missing():
        pytest.skip(reason)
    engine = kind()
    engine.static_weights = source.static_weights
    engine.build(rows, _WIDTH, tmp_path)
    engine.load(tmp_path)
    engine.use(list(engine.settings())[-1])
    converted = [engine.convert(query) for query in queries]
    oracle = ExhaustiveScores(rows, _WIDTH, queries, 5)
    single = [engine.search(query, 5) for query in converted]
    recalls = [
        oracle.judge(at, documents, scores, engine.score_error(queries[at]))[0]
        for at, (documents, scores) in enumerate(single)
    ]
    # Those that are approximate, or round to 8 bits, may miss a little.
    is_exact = not engine.recall_targets and engine.score_error(queries[0]) > 0.0
    assert np.mean(recalls) >= (1.0 if is_exact else 0.9)
    for threads in range(1, 1 + len(os.sched_getaffinity(0))):
        batch = engine.search_batch(converted, 5, threads)
        assert len(batch) == len(single)
        for (_, scores), (_, same) in zip(batch, single, strict=True):
            np.testing.assert_allclose(scores, same, rtol=1e-5)


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CONTENDERS["bmp"], "modules", ("no_such_module",))
    assert CONTENDERS["bmp"].missing() == (
        "no_such_module is not installed: pip install -r benchmarks/requirements.txt"
    )
