"""Taking the candidates out of an accumulated block, and leaving its accumulator all zero.

There are two ways. A **walk** visits the documents of the posting lists once more; it costs as much
as there are postings. A **sweep** visits all documents of the block with SIMD; it costs as much as
there are documents and dense rows, whatever the lists. `walk_pays` chooses.
"""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from engine.retrieval.accumulator import add_rows
from engine.retrieval.dense_rows import add_cells, bound_by_lines, complete, row_shortfall
from engine.retrieval.parameters import (
    ALWAYS_SWEEP,
    ALWAYS_WALK,
    CHUNK,
    LIST,
    LIST_MULTIPLIER,
    POSTING_COUNT,
)
from engine.retrieval.pointers import uint32_pointer
from engine.retrieval.tile_maximum import MOST_ROWS, TILE, largest_of_tile
from engine.retrieval.top_k import candidate_key, least_score, push

# Costs in picoseconds, measured; only their ratios matter. Of a walk: a posting, and a cell of a
# dense row that is looked up. Of a sweep: a document, and a document of a dense row.
_POSTING, _LOOK_UP = 600, 20_000
_DOCUMENT, _ROW_DOCUMENT = 90, 60
# Candidates are counted in a sample of so many postings.
_SAMPLE = 256
# Documents that are tried for a first limit.
_TRIED, _TRIED_A_HIT = 32, 4
# The smallest part of a chunk that is looked at: one register of scores.
_LANES = 16


@njit(nogil=True, error_model="numpy")
def walk_pays(  # type: ignore[no-untyped-def]
    scores, lists, list_count, posting_count, rows, row_count, row_bound, stride, limit, policy
):
    """Whether to walk, for the rest of the block's work.

    Args:
        scores: (stride,) int32 or longer, the accumulator, with the posting lists added.
        lists, rows: (T, LIST_COLUMNS) and (T, ROW_COLUMNS) int64, of which the first `list_count`
            and `row_count` are used.
        posting_count: postings of the lists together.
        stride: documents of the block in whole chunks.
        row_bound: no document gets more units than this from the dense rows.
        limit: units that a document must reach.
        policy: `BY_COST`, or what a test asks for.
    """
    # What the lists must give a candidate. Below 1, a walk would miss documents that are in none.
    threshold = limit - row_bound
    if threshold < 1 or policy == ALWAYS_SWEEP:
        return False
    if policy == ALWAYS_WALK:
        return True
    walk = posting_count * _POSTING
    sweep = stride * (_DOCUMENT + row_count * _ROW_DOCUMENT)
    if row_count == 0 or walk >= sweep:
        return walk < sweep
    step = posting_count // _SAMPLE + 1
    found = 0
    place = np.int64(0)
    for at in range(list_count):
        posting_list = carray(uint32_pointer(lists[at, LIST]), lists[at, POSTING_COUNT])
        while place < len(posting_list):
            document = np.int64(posting_list[place] & np.uint32(0xFFFF))
            score = np.int64(scores[document])
            if score >= threshold:
                found += bound_by_lines(rows, row_count, document, score) >= limit
            place += step
        # The sample goes on in the next list.
        place -= len(posting_list)
    return walk + found * step * row_count * _LOOK_UP < sweep


@njit(nogil=True, error_model="numpy")
def first_limit(scores, lists, list_count, rows, row_count, deleted, heap):  # type: ignore[no-untyped-def]
    """Units that k documents of the block reach, found in a few of them; 0 where there is nothing.

    Spares an empty heap most of what it would take up and give away again. The documents are the
    first ones of the list that contributes most: in one list they are all different.

    Args:
        heap: (k,) int64 to work in.
    """
    best = -1
    largest = np.int64(0)
    for at in range(list_count):
        first = carray(uint32_pointer(lists[at, LIST]), 1)[0]
        contributed = lists[at, LIST_MULTIPLIER] * np.int64(first >> np.uint32(16))
        if contributed > largest:
            best, largest = at, contributed
    if best < 0 or lists[best, POSTING_COUNT] < len(heap):
        return np.int64(0)
    size = 0
    tried = min(lists[best, POSTING_COUNT], _TRIED + _TRIED_A_HIT * len(heap))
    for posting in carray(uint32_pointer(lists[best, LIST]), tried):
        document = posting & np.uint32(0xFFFF)
        score = np.int64(scores[document])
        limit = heap[0] + 1 if size == len(heap) else np.int64(1)
        if row_count:
            score = add_cells(rows, row_count, np.int64(document), score, limit)
        if score >= limit and not is_deleted(deleted, document):
            size = push(heap, size, score)
    return heap[0] if size == len(heap) else np.int64(0)


@njit(nogil=True, error_model="numpy")
def walk(  # type: ignore[no-untyped-def]
    scores,
    lists,
    list_count,
    rows,
    row_count,
    row_bound,
    deleted,
    first_document,
    limit,
    heap,
    size,
):
    """Offer the documents of the posting lists to the heap; returns its new size.

    A score is taken out and zeroed at the first visit, so each document is offered once.

    Args:
        scores, lists, rows: as in `walk_pays`; the scores are all zero afterwards.
        deleted: (D,) uint16, ascending.
        first_document: global number of the block's first document.
        heap: (k,) int64 candidate keys, `size` of them.
        row_bound: no document gets more units than this from the dense rows.
        limit: units that a document must reach, at least 1 more than `row_bound`.
    """
    threshold = limit - row_bound
    for at in range(list_count):
        for posting in carray(uint32_pointer(lists[at, LIST]), lists[at, POSTING_COUNT]):
            document = posting & np.uint32(0xFFFF)
            score = scores[document]
            scores[document] = 0
            if score < threshold:
                continue
            total = np.int64(score)
            if row_count:
                if bound_by_lines(rows, row_count, np.int64(document), total) < limit:
                    continue
                total = add_cells(rows, row_count, np.int64(document), total, limit)
                if total < limit:
                    continue
            if is_deleted(deleted, document):
                continue
            size = push(heap, size, candidate_key(total, first_document + np.int64(document)))
            limit = max(limit, least_score(heap, size))
            threshold = limit - row_bound
    return size


@njit(nogil=True, error_model="numpy")
def sweep(  # type: ignore[no-untyped-def]
    scores, stride, rows, row_count, deleted, first_document, limit, heap, size
):
    """Add the dense rows and offer all documents to the heap; returns its new size.

    Args:
        scores, rows, stride, deleted, first_document, heap: as in `walk_pays` and `walk`; the
            scores are all zero afterwards.
        limit: units that a document must reach, at least 1.
    """
    above = row_shortfall(rows, row_count)
    # All rows but the last few are added beforehand. Those from `in_passing` on are added in
    # passing, while the maximum is taken, and written down only where there is a candidate: that is
    # seldom once the limit is that of blocks before, and too often to pay where there are no hits
    # yet.
    in_passing = max(row_count - MOST_ROWS, 0)
    maximum_first = row_count > 0 and size == len(heap)
    begin = 0
    while begin < stride:
        end = min(begin + TILE, stride)
        add_rows(scores, rows, 0, in_passing, begin, end)
        # High bytes fall short of true scores, here as below.
        if (
            not maximum_first
            or end - begin < TILE
            or largest_of_tile(scores, rows, in_passing, row_count, begin) >= limit - above
        ):
            add_rows(scores, rows, in_passing, row_count, begin, end)
            for chunk in range(begin, end, CHUNK):
                if _largest_of_chunk(scores[chunk : chunk + CHUNK]) < limit - above:
                    continue
                for lanes in range(chunk, chunk + CHUNK, _LANES):
                    if _largest_of_lanes(scores[lanes : lanes + _LANES]) < limit - above:
                        continue
                    size = _offer_lanes(
                        scores, lanes, rows, row_count, above,
                        deleted, first_document, limit, heap, size,
                    )  # fmt: skip
                    limit = max(limit, least_score(heap, size))
        scores[begin:end] = 0
        begin = end
    return size


@njit(nogil=True, error_model="numpy", inline="always")
def _offer_lanes(  # type: ignore[no-untyped-def]
    scores, lanes, rows, row_count, above, deleted, first_document, limit, heap, size
):
    """Offer the _LANES documents from `lanes` on to the heap; returns its new size.

    Args:
        above: the `row_shortfall` of the rows.
    """
    for document in range(lanes, lanes + _LANES):
        total = np.int64(scores[document])
        if total + above < limit:
            continue
        if row_count:
            total = complete(rows, row_count, document, total)
        if total < limit or is_deleted(deleted, document):
            continue
        size = push(heap, size, candidate_key(total, first_document + document))
        limit = max(limit, least_score(heap, size))
    return size


@njit(nogil=True, error_model="numpy")
def _largest_of_chunk(scores):  # type: ignore[no-untyped-def]
    """Largest of the first CHUNK scores.

    Written so that it compiles to SIMD: int32 throughout, a known number, no iterator.
    """
    largest = scores[0]
    for at in range(CHUNK):
        score = scores[at]
        largest = score if score > largest else largest
    return largest


@njit(nogil=True, error_model="numpy")
def _largest_of_lanes(scores):  # type: ignore[no-untyped-def]
    """Largest of the first _LANES scores."""
    largest = scores[0]
    for at in range(_LANES):
        score = scores[at]
        largest = score if score > largest else largest
    return largest


@njit(nogil=True, error_model="numpy")
def is_deleted(deleted, document):  # type: ignore[no-untyped-def]
    """Whether a local document is among the deleted ones (uint16, ascending)."""
    low, high = 0, len(deleted)
    while low < high:
        middle = (low + high) >> 1
        if deleted[middle] < document:
            low = middle + 1
        else:
            high = middle
    return low < len(deleted) and deleted[low] == document
