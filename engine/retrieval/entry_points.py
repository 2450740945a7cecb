"""Entry points of the kernels: plain C functions of a parameter block, see `parameters`.

Numba compiles them once a machine; `native_code` keeps the result, so that a process that searches
does not even import Numba. They must therefore neither allocate nor raise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, cfunc, njit, types

from engine.retrieval import parameters as at
from engine.retrieval.anytime import choose_bands, score_in_full
from engine.retrieval.block_plan import plan_block
from engine.retrieval.impacts import impacts_of
from engine.retrieval.parameters import (
    COLUMNS,
    ENTRY_COLUMNS,
    LIST_COLUMNS,
    MAX_QUERY_TERMS,
    PLAN_FIELDS,
    ROW_COLUMNS,
    STAGED_POSTINGS,
)
from engine.retrieval.pointers import (
    float64_pointer,
    int32_pointer,
    int64_pointer,
    uint8_pointer,
)
from engine.retrieval.search_kernel import search_block, take_apart
from engine.retrieval.units import contribution, query_multipliers
from engine.storage.block import BANDS, MAX_BLOCK_DOCUMENTS

_SIGNATURE = types.float64(types.CPointer(types.int64), types.float64)  # type: ignore[no-untyped-call]


@njit(nogil=True, error_model="numpy")
def _blocks(p):  # type: ignore[no-untyped-def]
    return carray(int64_pointer(p[at.BLOCKS]), (p[at.BLOCK_COUNT], COLUMNS))


@njit(nogil=True, error_model="numpy")
def _directory(p):  # type: ignore[no-untyped-def]
    shape = (p[at.VOCABULARY], p[at.BLOCK_COUNT], ENTRY_COLUMNS)
    return carray(int64_pointer(p[at.DIRECTORY]), shape)


@njit(nogil=True, error_model="numpy")
def _plans(p):  # type: ignore[no-untyped-def]
    """Room for two plans, so that one is made while the other is followed."""
    return (
        carray(int64_pointer(p[at.PLANS]), (2, PLAN_FIELDS)),
        carray(int64_pointer(p[at.LISTS]), (2, MAX_QUERY_TERMS, LIST_COLUMNS)),
        carray(int64_pointer(p[at.DENSE_ROWS]), (2, MAX_QUERY_TERMS, ROW_COLUMNS)),
    )


@njit(nogil=True, error_model="numpy")
def _scratch(p):  # type: ignore[no-untyped-def]
    return (
        carray(int32_pointer(p[at.ACCUMULATOR]), MAX_BLOCK_DOCUMENTS),
        carray(int32_pointer(p[at.STAGE]), STAGED_POSTINGS),
    )


@njit(nogil=True, error_model="numpy")
def _choose(p, terms, multipliers, cuts):  # type: ignore[no-untyped-def]
    """Write how many bands of each term are read."""
    if p[at.HAS_BUDGET]:
        totals = carray(int64_pointer(p[at.TOTALS]), p[at.VOCABULARY])
        choose_bands(totals, terms, multipliers, p[at.BUDGET], p[at.SHARE], cuts)
    else:
        cuts[:] = BANDS


def search(pointer: Any, step: Any) -> Any:
    """Search for one query.

    Returns:
        How many hits were written, or -1 - t when term number t has not been verified.
    """
    p = carray(pointer, at.LENGTH)
    terms = carray(int32_pointer(p[at.TERMS]), p[at.TERM_COUNT])
    weights = carray(float64_pointer(p[at.WEIGHTS]), p[at.TERM_COUNT])
    multipliers = carray(int64_pointer(p[at.MULTIPLIERS]), p[at.TERM_COUNT])
    # The heap of candidate keys lives in the output until the keys are taken apart.
    heap = carray(int64_pointer(p[at.DOCUMENTS]), p[at.K])
    scores = carray(float64_pointer(p[at.SCORES]), p[at.K])
    verified = carray(uint8_pointer(p[at.VERIFIED]), p[at.VOCABULARY])
    for term in range(len(terms)):
        if not verified[terms[term]]:
            return np.float64(-1 - term)
    if len(heap) == 0:
        return 0.0
    unit = query_multipliers(weights, multipliers) * step
    blocks, directory = _blocks(p), _directory(p)
    plans, lists, rows = _plans(p)
    accumulator, staged = _scratch(p)
    cuts = carray(int64_pointer(p[at.CUTS]), len(terms))
    _choose(p, terms, multipliers, cuts)
    size = 0
    for block in range(len(blocks) + 1):
        if block < len(blocks):
            now = block & 1
            plan_block(
                blocks, block, directory, terms, multipliers, cuts,
                plans[now], lists[now], rows[now],
            )  # fmt: skip
        if block:
            now = (block - 1) & 1
            size = search_block(
                blocks, block - 1, plans[now], lists[now], rows[now],
                heap, size, accumulator, staged, p[at.POLICY],
            )  # fmt: skip
    if p[at.HAS_BUDGET]:
        size = score_in_full(blocks, directory, terms, multipliers, cuts, heap, size)
    take_apart(heap, size, unit, heap, scores)
    return np.float64(size)


def search_batch(pointer: Any, step: Any) -> Any:
    """Search for many queries, whose terms and weights lie one after another; returns 0.

    A block is searched for all of them before the next, so that what it has of the terms that many
    ask for is read from memory once.
    """
    p = carray(pointer, at.LENGTH)
    queries = p[at.QUERY_COUNT]
    starts = carray(int64_pointer(p[at.STARTS]), queries + 1)
    sizes = carray(int64_pointer(p[at.SIZES]), queries)
    units = carray(float64_pointer(p[at.UNIT_WEIGHTS]), queries)
    terms = carray(int32_pointer(p[at.TERMS]), p[at.TERM_COUNT])
    weights = carray(float64_pointer(p[at.WEIGHTS]), p[at.TERM_COUNT])
    multipliers = carray(int64_pointer(p[at.MULTIPLIERS]), p[at.TERM_COUNT])
    heaps = carray(int64_pointer(p[at.DOCUMENTS]), (queries, p[at.K]))
    scores = carray(float64_pointer(p[at.SCORES]), (queries, p[at.K]))
    blocks, directory = _blocks(p), _directory(p)
    plans, lists, rows = _plans(p)
    accumulator, staged = _scratch(p)
    cuts = carray(int64_pointer(p[at.CUTS]), len(terms))
    for query in range(queries):
        begin, end = starts[query], starts[query + 1]
        units[query] = query_multipliers(weights[begin:end], multipliers[begin:end]) * step
        _choose(p, terms[begin:end], multipliers[begin:end], cuts[begin:end])
        sizes[query] = 0
    if p[at.K] == 0:
        return 0.0
    for turn in range(len(blocks) * queries + 1):
        if turn < len(blocks) * queries:
            now, block, query = turn & 1, turn // queries, turn % queries
            begin, end = starts[query], starts[query + 1]
            plan_block(
                blocks, block, directory, terms[begin:end], multipliers[begin:end],
                cuts[begin:end], plans[now], lists[now], rows[now],
            )  # fmt: skip
        if turn:
            now, block, query = (turn - 1) & 1, (turn - 1) // queries, (turn - 1) % queries
            sizes[query] = search_block(
                blocks, block, plans[now], lists[now], rows[now],
                heaps[query], sizes[query], accumulator, staged, p[at.POLICY],
            )  # fmt: skip
    for query in range(queries):
        if p[at.HAS_BUDGET]:
            begin, end = starts[query], starts[query + 1]
            sizes[query] = score_in_full(
                blocks, directory, terms[begin:end], multipliers[begin:end], cuts[begin:end],
                heaps[query], sizes[query],
            )  # fmt: skip
        take_apart(heaps[query], sizes[query], units[query], heaps[query], scores[query])
    return 0.0


def explain(pointer: Any, step: Any) -> Any:
    """Write impact and contributed units of each term in one document; returns the unit."""
    p = carray(pointer, at.LENGTH)
    count = p[at.TERM_COUNT]
    terms = carray(int32_pointer(p[at.TERMS]), count)
    impacts = carray(int64_pointer(p[at.IMPACTS]), count)
    units = carray(int64_pointer(p[at.CONTRIBUTED]), count)
    multipliers = carray(int64_pointer(p[at.MULTIPLIERS]), count)
    weights = carray(float64_pointer(p[at.WEIGHTS]), count)
    unit = query_multipliers(weights, multipliers) * step
    impacts_of(_blocks(p), p[at.BLOCK], _directory(p), terms, p[at.LOCAL_DOCUMENT], impacts)
    for term in range(count):
        units[term] = contribution(multipliers[term], impacts[term])
    return unit


ENTRY_POINTS = {function.__name__: function for function in (search, search_batch, explain)}


def llvm_of(name: str) -> tuple[str, str]:
    """Compile an entry point; returns its symbol and its optimised LLVM module as text."""
    compiled = cfunc(_SIGNATURE, error_model="numpy")(ENTRY_POINTS[name])
    return compiled.native_name, compiled.inspect_llvm()
