"""The merge policy: few segments, and no document rewritten for less than it gains."""

from __future__ import annotations

import random

import pytest

from engine.storage.block import MAX_BLOCK_DOCUMENTS
from indexer.merge_policy import LARGEST_MERGE_BYTES, SMALL_BYTES, SegmentSize, choose_merge

DOCUMENT_BYTES, POSTING_BYTES = 400, 600


def size(
    number: int, documents: int, deleted: int = 0, *, has_documents: bool = True
) -> SegmentSize:
    return SegmentSize(
        number,
        documents - deleted,
        documents,
        DOCUMENT_BYTES * documents,
        POSTING_BYTES * documents,
        has_documents,
    )


def chosen(*documents: int) -> list[int]:
    return choose_merge([size(at, count) for at, count in enumerate(documents)])


def test_small_ones_are_merged_at_once() -> None:
    assert chosen() == chosen(5) == []
    assert chosen(50_000, 1, 1) == [1, 2]
    assert chosen(50_000, 900, 1, 1) == [1, 2, 3]
    # The large one is left alone until as much has come after it.
    assert chosen(50_000, 20_000, 3_000) == []
    assert chosen(50_000, 20_000, 10_000, 10_000) == [1, 2, 3]


def test_a_merge_writes_one_block() -> None:
    assert chosen(MAX_BLOCK_DOCUMENTS, 10, 10) == [1, 2]
    assert chosen(40_000, 40_000) == []
    large = [
        SegmentSize(at, 10, 10, LARGEST_MERGE_BYTES // 2 + 1, 4, has_documents=True)
        for at in range(2)
    ]
    assert choose_merge(large) == []


def test_what_is_mostly_deleted_is_written_anew() -> None:
    assert choose_merge([size(0, 50_000, 24_000)]) == []
    assert choose_merge([size(0, 50_000, 25_000)]) == [0]
    assert choose_merge([size(0, 50_000), size(1, 50_000, 45_000), size(2, 60_000)]) == [1]
    # Neighbours that fit come with it.
    wasteful = [size(at, MAX_BLOCK_DOCUMENTS, MAX_BLOCK_DOCUMENTS - 9_000) for at in range(9)]
    assert choose_merge(wasteful) == [2, 3, 4, 5, 6, 7, 8]


def test_segments_with_and_without_documents_do_not_mix() -> None:
    sizes = [size(0, 10), size(1, 10, has_documents=False), size(2, 10, has_documents=False)]
    assert choose_merge(sizes) == [1, 2]


@pytest.mark.parametrize("batch", [1, 10, 1_000, 7_000])
@pytest.mark.parametrize("share_replaced", [0.0, 0.9])
def test_many_commits_leave_few_segments(batch: int, share_replaced: float) -> None:
    """An index of 150,000 documents, and 400 commits after it."""
    rng = random.Random(batch)
    sizes = [size(at, 50_000) for at in range(3)]
    number, written, added = 3, 0, 0
    most = 0
    for _ in range(400):
        for _ in range(int(batch * share_replaced)):
            at = rng.choices(range(len(sizes)), [one.live for one in sizes])[0]
            sizes[at] = size(
                sizes[at].number, sizes[at].documents, sizes[at].documents - sizes[at].live + 1
            )
        sizes = [one for one in sizes if one.live]
        run = choose_merge(sizes)
        if run:
            first = next(at for at, one in enumerate(sizes) if one.number == run[0])
            live = sum(one.live for one in sizes[first : first + len(run)])
            sizes[first : first + len(run)] = [size(number, live)]
            number += 1
            written += live
        sizes.append(size(number, batch))
        number += 1
        added += batch
        most = max(most, len(sizes) - sum(one.live for one in sizes) // 32_768)
    # Beside what full blocks it takes: one of each size that is twice the next, and the newest.
    assert most <= 10
    small = SMALL_BYTES / (DOCUMENT_BYTES + POSTING_BYTES)
    assert written <= added * (7 + small / batch)
