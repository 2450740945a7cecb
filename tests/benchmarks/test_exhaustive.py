from __future__ import annotations

import numpy as np
import pytest

from benchmarks.collections import CsrRows
from benchmarks.exhaustive import ExhaustiveScores

# Three terms; documents 1 and 2 tie under the query, document 3 does not match.
_ROWS = CsrRows(
    np.array([0, 2, 3, 4, 5], np.int64),
    np.array([0, 1, 0, 0, 2], np.int32),
    np.array([1.0, 2.0, 0.5, 0.5, 3.0], np.float32),
)
_QUERY = (np.array([0, 1], np.int32), np.array([2.0, 1.0]))


def _judge(k: int, documents: list[int], scores: list[float]) -> tuple[float, float]:
    oracle = ExhaustiveScores(_ROWS, 3, [_QUERY], k)
    return oracle.judge(0, np.array(documents), np.array(scores), 1e-6)


def test_true_scores() -> None:
    oracle = ExhaustiveScores(_ROWS, 3, [_QUERY], 2)
    np.testing.assert_allclose(oracle.scores(0, np.arange(4)), [4.0, 1.0, 1.0, 0.0])


@pytest.mark.parametrize("tied", [1, 2])
def test_either_of_two_that_tie_is_right(tied: int) -> None:
    assert _judge(2, [0, tied], [4.0, 1.0]) == (1.0, 0.0)


def test_missing_hit_lowers_recall() -> None:
    assert _judge(2, [0], [4.0])[0] == 0.5
    assert _judge(1, [1], [1.0])[0] == 0.0


def test_document_returned_twice_is_found_once() -> None:
    assert _judge(2, [0, 0], [4.0, 4.0])[0] == 0.5


def test_fewer_matches_than_k_and_padding() -> None:
    assert _judge(10, [0, 1, 2, 3], [4.0, 1.0, 1.0, 0.0])[0] == 1.0


def test_wrong_score_is_reported() -> None:
    assert _judge(1, [0], [4.25])[1] == pytest.approx(0.25)
