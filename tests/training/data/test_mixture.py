from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import UsageError
from training.data.example import Example
from training.data.mixture import Mixture, Row


def many(count: int, name: str = "", **fields: str) -> list[Example]:
    return [Example(f"q{name}{at}", f"d{name}{at}", **fields) for at in range(count)]  # type: ignore[arg-type]


def test_an_epoch_has_each_example_once() -> None:
    mixture = Mixture([many(20)], [1.0], seed=3)
    epochs = [[row.example for _ in range(4) for row in mixture.batch(5)] for _ in range(2)]
    assert all(Counter(epoch) == Counter(many(20)) for epoch in epochs)
    assert epochs[0] != epochs[1] != many(20)


def test_each_source_has_its_share_over_the_batches() -> None:
    mixture = Mixture([many(9, "a"), many(400, "b"), many(50, "c")], [1, 5, 2.5], seed=0)
    counts = Counter(row.source for _ in range(17) for row in mixture.batch(5))
    assert counts == {0: 10, 1: 50, 2: 25}


def test_the_seed_decides() -> None:
    def drawn(seed: int) -> list[Row]:
        return Mixture([many(30, "a"), many(30, "b")], [1, 1], seed).batch(20)

    assert drawn(1) == drawn(1) != drawn(2)


FEW = st.sampled_from(["x", "y", "z", "w", "v"])
EXAMPLES = st.builds(
    Example,
    query=FEW,
    document=FEW,
    negatives=st.lists(FEW, max_size=2).map(tuple),
    key=st.sampled_from(["", "", "k", "l"]),
)


@settings(deadline=None)
@given(
    st.lists(st.lists(EXAMPLES, min_size=1, max_size=8), min_size=1, max_size=3),
    st.integers(1, 6),
    st.integers(0, 9),
)
def test_nothing_in_a_batch_answers_another_query_of_it(
    sources: list[list[Example]], size: int, stop: int
) -> None:
    mixture = Mixture(sources, [1.0] * len(sources), seed=1)
    batches = []
    state = json.dumps(mixture.state())
    for at in range(12):
        if at == stop:
            state = json.dumps(mixture.state())
        rows = mixture.batch(size)
        batches.append(rows)
        assert len(rows) <= size
        examples = [row.example for row in rows]
        queries = [example.query for example in examples]
        keys = [example.key for example in examples if example.key]
        assert len(set(queries)) == len(queries)
        assert len(set(keys)) == len(keys)
        for one, example in enumerate(examples):
            others = examples[:one] + examples[one + 1 :]
            assert all(example.document not in (o.document, *o.negatives) for o in others)
    # What was saved in the midst goes on the same way, and stays small.
    again = Mixture(sources, [1.0] * len(sources), seed=1)
    again.restore(json.loads(state))
    assert [again.batch(size) for _ in range(stop, 12)] == batches[stop:]
    for draw, source in zip(mixture.state()["draws"], sources, strict=True):
        assert len(draw["waiting"]) <= len(source)


def test_a_batch_stays_smaller_where_no_more_goes_together() -> None:
    mixture = Mixture([many(5, key="the same product")], [1.0], seed=0)
    seen = Counter(row.example for _ in range(5) for row in mixture.batch(4))
    assert seen == Counter(many(5, key="the same product"))


def test_an_empty_source_is_refused() -> None:
    with pytest.raises(UsageError, match="source 2 of the training data"):
        Mixture([many(1), []], [1, 1], seed=0)
