from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from training.model.length_groups import length_groups

LENGTHS = st.lists(st.integers(1, 300), min_size=1, max_size=60)


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 4))
def test_every_text_is_in_one_group(lengths: list[int], shards: int) -> None:
    groups = length_groups(np.array(lengths), shards=shards, most_tokens=600)
    assert len(groups) == min(shards, len(lengths))
    assert all(groups)
    found = [text for shard in groups for group in shard for text in group.tolist()]
    assert sorted(found) == list(range(len(lengths)))
    for group in (group for shard in groups for group in shard):
        longest = max(lengths[text] for text in group)
        assert len(group) == 1 or longest * len(group) <= 600


def test_short_texts_are_not_padded_to_long_ones() -> None:
    lengths = np.array([200, 10, 11, 190, 12] + [10] * 20)
    ((first, *others),) = length_groups(lengths)
    assert set(first.tolist()) == {0, 3}
    assert all(lengths[group].max() <= 12 for group in others)


def test_shards_have_about_equal_work() -> None:
    lengths = np.random.default_rng(0).integers(5, 120, 64)
    tokens = [
        sum(int(lengths[group].sum()) for group in shard)
        for shard in length_groups(lengths, shards=2)
    ]
    assert max(tokens) < 1.1 * min(tokens)
