from __future__ import annotations

import itertools

import numpy as np
import pytest

from training.evaluation.statistics import bootstrap_intervals, randomization_test


def names(count: int) -> list[str]:
    return [f"q{at}" for at in range(count)]


def test_intervals_are_those_of_the_normal_approximation() -> None:
    values = np.random.default_rng(1).random((400, 2)) * [1, 10]
    intervals = bootstrap_intervals(values, names(400))
    for column, interval in zip(values.T, intervals, strict=True):
        spread = 1.96 * column.std() / 20
        assert interval.low == pytest.approx(column.mean() - spread, abs=spread / 10)
        assert interval.high == pytest.approx(column.mean() + spread, abs=spread / 10)


def test_the_same_every_time_and_another_with_another_seed() -> None:
    values = np.random.default_rng(1).random((50, 1))
    first = bootstrap_intervals(values, names(50))
    assert bootstrap_intervals(values, names(50)) == first
    assert bootstrap_intervals(values, names(50), seed=1) != first


def test_one_query_and_one_value() -> None:
    assert bootstrap_intervals(np.array([[0.25]]), ["q"]) == [(0.25, 0.25)]
    assert bootstrap_intervals(np.ones((9, 1)), names(9)) == [(1.0, 1.0)]


def test_wordings_of_one_query_count_as_one() -> None:
    """Each row twice under one name must not make anything look surer; under two names it does."""
    values = np.random.default_rng(2).random((60, 1))
    twice = np.concatenate([values, values])
    assert bootstrap_intervals(twice, [*names(60), *names(60)]) == bootstrap_intervals(
        values, names(60)
    )
    (apart,) = bootstrap_intervals(twice, names(120))
    (once,) = bootstrap_intervals(values, names(60))
    assert apart.high - apart.low < 0.8 * (once.high - once.low)
    zeros = np.zeros_like(values)
    assert randomization_test(
        twice, np.zeros_like(twice), [*names(60), *names(60)]
    ) == randomization_test(values, zeros, names(60))


def test_p_is_the_share_of_sign_choices() -> None:
    """Against all 2^n choices of signs, counted."""
    differences = np.array([0.4, 0.1, -0.2, 0.3, 0.25, 0.0, 0.1, 0.05])
    every = np.array(list(itertools.product([-1, 1], repeat=8))) @ differences
    exact = (np.abs(every) >= abs(differences.sum()) - 1e-12).mean()
    first = differences[:, None]
    (p,) = randomization_test(first, np.zeros_like(first), names(8), permutations=50_000)
    assert p == pytest.approx(exact, abs=0.01)
    assert randomization_test(np.zeros_like(first), first, names(8), permutations=50_000) == [p]


def test_equal_systems_and_clear_winners() -> None:
    same = np.random.default_rng(3).random((200, 2))
    assert randomization_test(same, same, names(200)) == [1.0, 1.0]
    assert randomization_test(same + 0.1, same, names(200)) == [1 / 10_001] * 2


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(4).random((30, 3))
    whole = bootstrap_intervals(values, names(30))
    monkeypatch.setattr("training.evaluation.statistics._CHUNK_NUMBERS", 1000)
    assert bootstrap_intervals(values, names(30)) == whole
