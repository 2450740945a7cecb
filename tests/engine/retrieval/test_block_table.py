"""Indexes made on purpose: what kernels follow must hold, whatever the checksums say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.sparse import csr_matrix

from engine import IndexDamagedError, SearchEngine
from engine.retrieval import parameters
from engine.retrieval.scorer import Scorer
from engine.storage import keys
from engine.storage.block import piece_checksums, row_stride
from indexer.vector_index import write_index
from tests.engine.storage.resealing import payloads, reseal

DOCUMENTS = 1100
ROW_TERM, LIST_TERM = 0, 1
Parts = dict[str, npt.NDArray[Any]]


def _behind_the_last_document(parts: Parts) -> None:
    parts["postings"][-1] |= np.uint32(0xFFFF)


def _just_behind_the_last_document(parts: Parts) -> None:
    parts["postings"][-1] = parts["postings"][-1] & np.uint32(0xFFFF0000) | np.uint32(DOCUMENTS)


def _above_the_maximum(parts: Parts) -> None:
    parts["maxima"][LIST_TERM] -= np.uint16(1)


def _in_the_padding(part: str) -> Callable[[Parts], None]:
    def change(parts: Parts) -> None:
        parts[part][DOCUMENTS] = np.uint8(255)

    return change


@pytest.mark.parametrize("policy", [parameters.ALWAYS_WALK, parameters.ALWAYS_SWEEP])
@pytest.mark.parametrize("rho", [None, 1.0])
@pytest.mark.parametrize(
    ("term", "change"),
    [
        (LIST_TERM, _behind_the_last_document),
        (LIST_TERM, _just_behind_the_last_document),
        (LIST_TERM, _above_the_maximum),
        (ROW_TERM, _in_the_padding("high")),
        (ROW_TERM, _in_the_padding("low")),
    ],
)
def test_postings_that_leave_their_block_are_damage(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    policy: int,
    rho: float | None,
    term: int,
    change: Callable[[Parts], None],
) -> None:
    monkeypatch.setattr(Scorer, "_policy", policy)
    weights = np.zeros((DOCUMENTS, 2), np.float32)
    weights[:, ROW_TERM] = 0.5
    weights[::20, LIST_TERM] = 1.0
    write_index(tmp_path, csr_matrix(weights), [str(at) for at in range(DOCUMENTS)], max_weight=1.0)
    names = {name: keys.block_part(0, 0, name) for name in keys.BLOCK_PARTS}
    stored = payloads(tmp_path)
    parts: Parts = {
        name: np.frombuffer(stored[key], keys.BLOCK_PARTS[name]).copy()
        for name, key in names.items()
    }
    change(parts)
    parts["checksums"] = piece_checksums(
        parts["offsets"],
        parts["rows"],
        parts["postings"],
        parts["high"],
        parts["low"],
        row_stride(DOCUMENTS),
    )
    reseal(tmp_path, {key: parts[name].tobytes() for name, key in names.items()})
    other = ROW_TERM if term == LIST_TERM else LIST_TERM
    with SearchEngine.open(tmp_path) as engine:
        with pytest.raises(IndexDamagedError, match=f"the postings of term {term} are not"):
            engine.search_vector([ROW_TERM, LIST_TERM], [1.0, 1.0], k=1, rho=rho)
        assert len(engine.search_vector([other], [1.0], k=3, rho=rho)) == 3
