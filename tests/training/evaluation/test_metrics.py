"""The measures, against their definitions written out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.evaluation.small_collections import in_memory, ranking
from training.evaluation.metrics import CUT_OFFS, GRADED, METRICS, gain_scale, per_query_metrics


def expected(found: Sequence[str], judged: dict[str, float], least: float) -> dict[str, float]:
    """Every measure of one query by its definition."""
    relevant = {id for id, relevance in judged.items() if relevance > 0 and relevance >= least}
    hit = [id in relevant for id in found]
    values: dict[str, float] = {}
    for k in CUT_OFFS:
        values[f"dot_accuracy@{k}"] = float(any(hit[:k]))
        values[f"dot_precision@{k}"] = sum(hit[:k]) / k
        values[f"dot_recall@{k}"] = sum(hit[:k]) / len(relevant)
    values["dot_ndcg@10"] = dcg([float(one) for one in hit]) / dcg([1.0] * len(relevant))
    values["dot_mrr@10"] = next((1 / at for at, one in enumerate(hit[:10], 1) if one), 0.0)
    precisions = [sum(hit[:at]) / at for at, one in enumerate(hit[:100], 1) if one]
    values["dot_map@100"] = sum(precisions) / min(100, len(relevant))
    gains = {id: 2 ** max(0.0, relevance) - 1 for id, relevance in judged.items()}
    ideal = dcg(sorted(gains.values(), reverse=True))
    values[GRADED] = dcg([gains.get(id, 0.0) for id in found]) / ideal
    return values


def dcg(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(at + 1) for at, gain in enumerate(gains[:10], 1))


def measured(
    found: Sequence[str], judged: dict[str, float], least: float | None = None
) -> dict[str, float]:
    collection = in_memory({"q": judged}, found)
    values = per_query_metrics(collection, collection.queries, {"q": ranking(*found)}, least)
    return dict(zip(METRICS, values[0].tolist(), strict=True))


GRADES = {
    "whole": [0.0, 1.0, 2.0, 3.0, -1.0],
    "thirds": [0.0, 1.0, 1.33, 1.67, 2.0, 2.25, 2.33, 2.67, 3.0],
}


@pytest.mark.parametrize(("kind", "tolerance"), [("whole", 1e-9), ("thirds", 5e-5)])
@settings(deadline=None)
@given(st.data())
def test_equal_to_the_definitions(kind: str, tolerance: float, data: st.DataObject) -> None:
    """Exactly, but for the graded one with fractions, whose gains are rounded to 1 / 10,000."""
    ids = [f"d{at}" for at in range(160)]
    judged = data.draw(
        st.dictionaries(
            st.sampled_from(ids), st.sampled_from(GRADES[kind]), min_size=1, max_size=140
        )
    )
    judged["d0"] = 3.0
    found = data.draw(st.permutations(ids))[: data.draw(st.integers(0, 100))]
    least = data.draw(st.sampled_from([None, 1.5, 3.0]))
    values = measured(found, judged, least)
    for name, value in expected(found, judged, least or 0).items():
        assert values[name] == pytest.approx(value, abs=tolerance if name == GRADED else 1e-9), name


def test_fractional_grades_by_hand() -> None:
    """Home Depot's relevances are means of raters: 2^1.33 - 1 is a gain like any other."""
    values = measured(["b", "x", "a"], {"a": 3.0, "b": 1.33})
    gain = 2**1.33 - 1
    by_hand = (gain + 7 / 2) / (7 + gain / math.log2(3))
    assert values[GRADED] == pytest.approx(by_hand, abs=1e-5)
    assert values["dot_ndcg@10"] == pytest.approx((1 + 1 / 2) / (1 + 1 / math.log2(3)))
    only_a = measured(["b", "x", "a"], {"a": 3.0, "b": 1.33}, 2.0)
    assert only_a["dot_ndcg@10"] == pytest.approx(1 / 2)
    assert only_a[GRADED] == values[GRADED]


def test_gains_are_exact_where_grades_are_whole() -> None:
    assert gain_scale(in_memory({"q": {"a": 3.0, "b": 0.0}})) == 1
    assert gain_scale(in_memory({"q": {"a": 3.0, "b": 1.33}})) == 10_000
    assert gain_scale(in_memory({"q": {"a": 16.0, "b": 1.5}})) == 1


def test_each_query_has_its_row() -> None:
    collection = in_memory({"z": {"a": 1.0}, "y": {"b": 1.0}, "x": {"a": 1.0}})
    run = {"x": ranking("a"), "y": ranking("a", "b"), "z": []}
    values = per_query_metrics(collection, collection.queries, run)
    np.testing.assert_allclose(values[:, METRICS.index("dot_mrr@10")], [0, 0.5, 1])
