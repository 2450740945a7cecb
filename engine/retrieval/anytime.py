"""Anytime ranking after JASS: score at a time, until a budget of postings is spent.

Bands of all terms of a query are read from the one with the largest contribution down, across the
whole index, as long as the budget rho lasts. What is found so is then scored in full: in a band
documents ascend, so the few candidates look up what they have in the bands that were left. Scores
of hits are therefore exact, and what a budget costs is hits that are missed.

Lin and Trotman, Anytime ranking for impact-ordered indexes, ICTIR 2015.
"""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from engine.retrieval.parameters import (
    ADDRESS,
    DETAILS,
    EXTENT,
    FIRST_DOCUMENT,
    SHARE_ONE,
)
from engine.retrieval.pointers import int64_pointer, uint32_pointer
from engine.retrieval.top_k import DOCUMENT_MASK, candidate_key, push
from engine.retrieval.units import contribution
from engine.storage.block import BANDS


@njit(nogil=True, error_model="numpy")
def choose_bands(totals, terms, multipliers, budget, share, cuts):  # type: ignore[no-untyped-def]
    """Decide how many bands of each term are read, from the highest down.

    The band with the largest contribution is read even where the budget is smaller.

    Args:
        totals: (V,) int64, addresses of what `BlockTable` knows of a term's bands: its largest
            impact, and its postings in the 1, 2, ... 16 highest bands of all blocks.
        budget: most postings to read, or -1 for the share.
        share: part of the query's postings to read, in units of 1 / SHARE_ONE.
        cuts: (T,) int64, overwritten.
    """
    highest = np.int64(0)
    every = np.int64(0)
    for at in range(len(terms)):
        known = carray(int64_pointer(totals[terms[at]]), BANDS + 1)
        every += known[BANDS]
        highest = max(highest, abs(multipliers[at]) * known[0])
    if budget < 0:
        # Rounded up, so that a share of 1 is everything.
        budget = (every * share + SHARE_ONE - 1) // SHARE_ONE
    # The lowest contribution to stop above: found by halving, as fewer postings lie above more.
    low, high = np.int64(0), highest
    while low < high:
        middle = (low + high) >> 1
        if _postings_above(totals, terms, multipliers, middle, cuts) <= budget:
            high = middle
        else:
            low = middle + 1
    if _postings_above(totals, terms, multipliers, low, cuts) == 0 and highest > 0:
        _postings_above(totals, terms, multipliers, highest - 1, cuts)


@njit(nogil=True, error_model="numpy")
def _postings_above(totals, terms, multipliers, least, cuts):  # type: ignore[no-untyped-def]
    """Count the postings in bands that may contribute more than `least`; `cuts` says which."""
    postings = np.int64(0)
    for at in range(len(terms)):
        known = carray(int64_pointer(totals[terms[at]]), BANDS + 1)
        top = abs(multipliers[at]) * known[0]
        cuts[at] = 0
        if top > least:
            # Band j from the top contributes at most (BANDS - j) / BANDS of the top.
            cuts[at] = BANDS - least * BANDS // top
            postings += known[cuts[at]]
    return postings


@njit(nogil=True, error_model="numpy")
def score_in_full(blocks, directory, terms, multipliers, cuts, heap, size):  # type: ignore[no-untyped-def]
    """Add to candidates what they have in bands that were not read; returns how many stay.

    Args:
        heap: (k,) int64 candidate keys, `size` of them; a heap again afterwards.
    """
    kept = 0
    for at in range(size):
        document = DOCUMENT_MASK - (heap[at] & DOCUMENT_MASK)
        score = heap[at] >> 32
        block = len(blocks) - 1
        while blocks[block, FIRST_DOCUMENT] > document:
            block -= 1
        local = np.uint32(document - blocks[block, FIRST_DOCUMENT])
        for term in range(len(terms)):
            extent = directory[terms[term], block, EXTENT]
            if extent <= 0 or cuts[term] == BANDS or multipliers[term] == 0:
                continue
            postings = carray(uint32_pointer(directory[terms[term], block, ADDRESS]), extent >> 16)
            ends = carray(uint32_pointer(directory[terms[term], block, DETAILS]), BANDS)
            impact = _impact_behind(postings, ends, cuts[term], local)
            score += contribution(multipliers[term], impact)
        if score > 0:
            # Never overtakes the reading: what is kept so far is no more than what was read.
            kept = push(heap, kept, candidate_key(score, document))
    return kept


@njit(nogil=True, error_model="numpy")
def _impact_behind(postings, ends, cut, document):  # type: ignore[no-untyped-def]
    """Impact of a document in the bands from number `cut` on, 0 where it is in none of them."""
    for band in range(cut, BANDS):
        low = np.int64(ends[band - 1]) if band else np.int64(0)
        end = np.int64(ends[band])
        high = end
        while low < high:
            middle = (low + high) >> 1
            if (postings[middle] & np.uint32(0xFFFF)) < document:
                low = middle + 1
            else:
                high = middle
        if low < end and (postings[low] & np.uint32(0xFFFF)) == document:
            return np.int64(postings[low] >> np.uint32(16))
    return np.int64(0)
