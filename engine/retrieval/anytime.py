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
    STRIDE,
)
from engine.retrieval.pointers import (
    int64_pointer,
    prefetch,
    prefetch_outer_range,
    uint32_pointer,
)
from engine.retrieval.top_k import DOCUMENT_MASK, candidate_key, push
from engine.retrieval.units import contribution
from engine.storage.block import BANDS

# What is left of a list is scanned whole where it has no more postings than this; more is searched
# band by band.
_SCANNED = 1024
# So many postings of a band are scanned, around the place where the document likely is.
_SCANNED_OF_BAND = 64


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
    # Each candidate goes through three stages, one a turn: where the bands of its lists lie is
    # fetched, then what it looks up in them, then it is scored. So memory answers while those
    # before it are scored.
    for turn in range(size + 2):
        if turn < size:
            _fetch_details(blocks, directory, terms, heap[turn])
        if 0 < turn <= size:
            _fetch_bands(blocks, directory, terms, multipliers, cuts, heap[turn - 1])
        if turn < 2:
            continue
        key = heap[turn - 2]
        block, local, document = _place(blocks, key)
        score = key >> 32
        for term in range(len(terms)):
            extent = directory[terms[term], block, EXTENT]
            if not _has_bands_left(extent, cuts[term], multipliers[term]):
                continue
            postings = carray(uint32_pointer(directory[terms[term], block, ADDRESS]), extent >> 16)
            ends = carray(uint32_pointer(directory[terms[term], block, DETAILS]), BANDS)
            impact = _impact_behind(postings, ends, cuts[term], local, blocks[block, STRIDE])
            score += contribution(multipliers[term], impact)
        if score > 0:
            # Never overtakes the reading: what is kept so far is no more than what was read.
            kept = push(heap, kept, candidate_key(score, document))
    return kept


@njit(nogil=True, error_model="numpy")
def _place(blocks, key):  # type: ignore[no-untyped-def]
    """Block of a candidate, its number there (uint32), and its global number (int64)."""
    document = DOCUMENT_MASK - (key & DOCUMENT_MASK)
    block = len(blocks) - 1
    while blocks[block, FIRST_DOCUMENT] > document:
        block -= 1
    return block, np.uint32(document - blocks[block, FIRST_DOCUMENT]), document


@njit(nogil=True, error_model="numpy", inline="always")
def _has_bands_left(extent, cut, multiplier):  # type: ignore[no-untyped-def]
    """Whether a term has a posting list in a block of which bands that count were not read."""
    return extent > 0 and cut < BANDS and multiplier != 0


@njit(nogil=True, error_model="numpy")
def _fetch_details(blocks, directory, terms, key):  # type: ignore[no-untyped-def]
    """Fetch where the bands of each term end in the block of a candidate."""
    block, _, _ = _place(blocks, key)
    for term in range(len(terms)):
        prefetch(directory[terms[term], block, DETAILS])


@njit(nogil=True, error_model="numpy")
def _fetch_bands(blocks, directory, terms, multipliers, cuts, key):  # type: ignore[no-untyped-def]
    """Fetch the postings among which `_impact_behind` looks for a candidate first.

    Reads where bands end, which should be in the cache by now.
    """
    block, local, _ = _place(blocks, key)
    for term in range(len(terms)):
        extent = directory[terms[term], block, EXTENT]
        if not _has_bands_left(extent, cuts[term], multipliers[term]):
            continue
        ends = carray(uint32_pointer(directory[terms[term], block, DETAILS]), BANDS)
        low = np.int64(ends[cuts[term] - 1]) if cuts[term] else np.int64(0)
        address = directory[terms[term], block, ADDRESS]
        count = extent >> 16
        if count - low <= _SCANNED:
            _fetch(address, low, count)
            continue
        for band in range(cuts[term], BANDS):
            end = np.int64(ends[band])
            _fetch(address, *_likely(low, end, local, blocks[block, STRIDE]))
            low = end


@njit(nogil=True, error_model="numpy")
def _fetch(address, begin, end):  # type: ignore[no-untyped-def]
    """Fetch postings number `begin` to `end` of a list at an address."""
    prefetch_outer_range(address + 4 * begin, address + 4 * end)


@njit(nogil=True, error_model="numpy")
def _likely(first, last, document, documents):  # type: ignore[no-untyped-def]
    """Where in a band, from `first` to `last`, a document is if its documents lie evenly."""
    guess = first + (last - first) * np.int64(document) // documents
    return max(first, guess - _SCANNED_OF_BAND // 2), min(last, guess + _SCANNED_OF_BAND // 2)


@njit(nogil=True, error_model="numpy")
def _impact_behind(postings, ends, cut, document, documents):  # type: ignore[no-untyped-def]
    """Impact of a document in the bands from number `cut` on, 0 where it is in none of them.

    A short rest of a list is scanned. In a long one the likely place in each band is, and where
    the document is not between what is there, it is searched for by halving.

    Args:
        documents: how many the block has; more is a worse guess only.
    """
    low = np.int64(ends[cut - 1]) if cut else np.int64(0)
    if len(postings) - low <= _SCANNED:
        return _impact_among(postings[low:], document)
    for band in range(cut, BANDS):
        end = np.int64(ends[band])
        begin, stop = _likely(low, end, document, documents)
        # The document is not before `begin`, and before `stop`, if the band has it at all.
        if begin > low and _document(postings[begin]) > document:
            begin, stop = low, begin
        elif stop < end and _document(postings[stop]) <= document:
            begin, stop = stop, end
        while stop - begin > _SCANNED_OF_BAND:
            middle = (begin + stop) >> 1
            if _document(postings[middle]) <= document:
                begin = middle
            else:
                stop = middle
        impact = _impact_among(postings[begin:stop], document)
        if impact:
            return impact
        low = end
    return np.int64(0)


@njit(nogil=True, error_model="numpy", inline="always")
def _document(posting):  # type: ignore[no-untyped-def]
    return np.uint32(posting & np.uint32(0xFFFF))


@njit(nogil=True, error_model="numpy")
def _impact_among(postings, document):  # type: ignore[no-untyped-def]
    """Impact of a document in a few postings of a list, 0 where it is in none; with SIMD."""
    impact = np.uint32(0)
    for at in range(len(postings)):
        is_it = np.uint32(postings[at] & np.uint32(0xFFFF)) == document
        found = np.uint32(postings[at] >> np.uint32(16)) if is_it else np.uint32(0)
        impact = np.uint32(impact | found)
    return np.int64(impact)
