"""Entry points of the kernels: plain C functions of a parameter block, see `parameters`.

Numba compiles them once a machine; `native_code` keeps the result, so that a process that searches
does not even import Numba. They must therefore neither allocate nor raise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, cfunc, njit, types

from engine.retrieval import parameters as at
from engine.retrieval.accumulator import contribution, impacts_of, query_multipliers
from engine.retrieval.parameters import COLUMNS, MAX_CHUNKS, MAX_QUERY_TERMS
from engine.retrieval.pointers import (
    float64_pointer,
    int32_pointer,
    int64_pointer,
    uint8_pointer,
)
from engine.retrieval.search_kernel import search_exact
from engine.storage.block import MAX_BLOCK_DOCUMENTS

_SIGNATURE = types.float64(types.CPointer(types.int64), types.float64)  # type: ignore[no-untyped-call]


@njit(nogil=True, error_model="numpy")
def _blocks(p):  # type: ignore[no-untyped-def]
    return carray(int64_pointer(p[at.BLOCKS]), (p[at.BLOCK_COUNT], COLUMNS))


@njit(nogil=True, error_model="numpy")
def _slots(p):  # type: ignore[no-untyped-def]
    return carray(int32_pointer(p[at.SLOTS]), (p[at.VOCABULARY], p[at.BLOCK_COUNT]))


@njit(nogil=True, error_model="numpy")
def _scratch(p):  # type: ignore[no-untyped-def]
    return (
        carray(int64_pointer(p[at.MULTIPLIERS]), MAX_QUERY_TERMS),
        carray(int32_pointer(p[at.ACCUMULATOR]), MAX_BLOCK_DOCUMENTS),
        carray(int32_pointer(p[at.MAXIMA]), MAX_CHUNKS),
        carray(int32_pointer(p[at.LARGEST]), MAX_CHUNKS),
    )


def search(pointer: Any, step: Any) -> Any:
    """Search for one query; returns what `search_exact` does."""
    p = carray(pointer, at.LENGTH)
    return np.float64(
        search_exact(
            _blocks(p),
            _slots(p),
            carray(uint8_pointer(p[at.VERIFIED]), p[at.VOCABULARY]),
            step,
            carray(int32_pointer(p[at.TERMS]), p[at.TERM_COUNT]),
            carray(float64_pointer(p[at.WEIGHTS]), p[at.TERM_COUNT]),
            carray(int64_pointer(p[at.DOCUMENTS]), p[at.K]),
            carray(float64_pointer(p[at.SCORES]), p[at.K]),
            _scratch(p),
        )
    )


def search_batch(pointer: Any, step: Any) -> Any:
    """Search for many queries, whose terms and weights lie one after another; returns 0."""
    p = carray(pointer, at.LENGTH)
    queries = p[at.QUERY_COUNT]
    starts = carray(int64_pointer(p[at.STARTS]), queries + 1)
    sizes = carray(int64_pointer(p[at.SIZES]), queries)
    terms = carray(int32_pointer(p[at.TERMS]), p[at.TERM_COUNT])
    weights = carray(float64_pointer(p[at.WEIGHTS]), p[at.TERM_COUNT])
    documents = carray(int64_pointer(p[at.DOCUMENTS]), (queries, p[at.K]))
    scores = carray(float64_pointer(p[at.SCORES]), (queries, p[at.K]))
    verified = carray(uint8_pointer(p[at.VERIFIED]), p[at.VOCABULARY])
    for query in range(queries):
        begin, end = starts[query], starts[query + 1]
        sizes[query] = search_exact(
            _blocks(p), _slots(p), verified, step, terms[begin:end], weights[begin:end],
            documents[query], scores[query], _scratch(p),
        )  # fmt: skip
    return 0.0


def explain(pointer: Any, step: Any) -> Any:
    """Write impact and contributed units of each term in one document; returns the unit."""
    p = carray(pointer, at.LENGTH)
    count = p[at.TERM_COUNT]
    terms = carray(int32_pointer(p[at.TERMS]), count)
    impacts = carray(int64_pointer(p[at.IMPACTS]), count)
    units = carray(int64_pointer(p[at.UNITS]), count)
    multipliers = carray(int64_pointer(p[at.MULTIPLIERS]), count)
    weights = carray(float64_pointer(p[at.WEIGHTS]), count)
    unit = query_multipliers(weights, multipliers) * step
    impacts_of(_blocks(p), p[at.BLOCK], _slots(p), terms, p[at.LOCAL_DOCUMENT], impacts)
    for term in range(count):
        units[term] = contribution(multipliers[term], impacts[term])
    return unit


ENTRY_POINTS = {function.__name__: function for function in (search, search_batch, explain)}


def llvm_of(name: str) -> tuple[str, str]:
    """Compile an entry point; returns its symbol and its optimised LLVM module as text."""
    compiled = cfunc(_SIGNATURE, error_model="numpy")(ENTRY_POINTS[name])
    return compiled.native_name, compiled.inspect_llvm()
