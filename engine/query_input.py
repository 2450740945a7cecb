"""What a search is asked with, checked before anything is done."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engine.errors import UsageError
from engine.retrieval.parameters import MAX_QUERY_TERMS
from engine.retrieval.scorer import Rho, Terms, Weights
from engine.usable_cpus import usable_cpus

MAX_QUERY_CHARACTERS = 1 << 16
LARGEST_QUERY_WEIGHT = 1e100
SMALLEST_QUERY_WEIGHT = 1e-100


def checked_range(k: int, offset: int) -> tuple[int, int]:
    """Return what says which hits are wanted, as whole numbers of Python's own.

    Those of NumPy overflow when they are added up, and kernels trust what they are asked for.

    Raises:
        UsageError: there are no such hits.
    """
    if not isinstance(k, int | np.integer) or not isinstance(offset, int | np.integer):
        raise UsageError(f"k and offset must be whole numbers, not {k!r} and {offset!r}")
    if k < 1:
        raise UsageError(f"k must be at least 1, not {k}")
    if offset < 0:
        raise UsageError(f"offset must not be negative, and is {offset}")
    return int(k), int(offset)


def checked_threads(threads: int) -> int:
    """Return how many threads to score on: as many as asked for, but no more than CPUs to run on.

    Raises:
        UsageError: it is no whole number from 1 up.
    """
    is_number = isinstance(threads, int | np.integer) and not isinstance(threads, bool)
    if not is_number or threads < 1:
        raise UsageError(f"threads must be a whole number from 1 up, not {threads!r}")
    return min(int(threads), usable_cpus())


def refuse_impossible_budget(rho: Rho | None) -> None:
    """Check a budget of postings.

    Raises:
        UsageError: it is neither a whole number from 1 up nor a share above 0 and up to 1.
    """
    if rho is None:
        return
    is_number = isinstance(rho, int | np.integer) and not isinstance(rho, bool) and rho >= 1
    is_share = isinstance(rho, float) and 0.0 < rho <= 1.0
    if not (is_number or is_share):
        raise UsageError(
            "rho must be a whole number of postings from 1 up, or a share of them such as 0.5 (a "
            f"float above 0 and up to 1.0), not {rho!r}"
        )


def checked_text(query: str) -> str:
    """Return a query as it is.

    Raises:
        UsageError: it is empty, too long or no valid text.
    """
    if not isinstance(query, str):
        raise UsageError(f"a query must be text, not {type(query).__name__}")
    if not query.strip():
        raise UsageError("the query is empty; type some words to search for")
    if len(query) > MAX_QUERY_CHARACTERS:
        raise UsageError(
            f"the query has {len(query)} characters; the longest allowed has {MAX_QUERY_CHARACTERS}"
        )
    try:
        query.encode()
    except UnicodeEncodeError:
        raise UsageError("the query is not valid text: it holds half a character") from None
    return query


def checked_vector(
    term_ids: npt.ArrayLike, weights: npt.ArrayLike, vocabulary_size: int
) -> tuple[Terms, Weights]:
    """Return distinct terms inside the vocabulary, ascending, and their weights, none of them 0.

    Raises:
        UsageError: the arrays do not fit together or hold impossible values.
    """
    try:
        ids, values = np.asarray(term_ids), np.asarray(weights, np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise UsageError(f"term_ids and weights must be flat lists of numbers: {error}") from None
    if ids.size == 0:
        ids = ids.astype(np.int64)
    if ids.shape != values.shape or ids.ndim != 1:
        raise UsageError(
            "term_ids and weights must be two flat arrays of one length, not of shapes "
            f"{ids.shape} and {values.shape}"
        )
    if not np.issubdtype(ids.dtype, np.integer) or (ids < 0).any():
        raise UsageError("term_ids must be integers from 0 up")
    if not (np.abs(values) <= LARGEST_QUERY_WEIGHT).all():
        raise UsageError(f"weights must be numbers of at most {LARGEST_QUERY_WEIGHT:g}")
    terms, where = np.unique(ids, return_inverse=True)
    totals = np.bincount(where, weights=values, minlength=len(terms))
    # What is smaller can add nothing that a score would show.
    totals[np.abs(totals) < SMALLEST_QUERY_WEIGHT] = 0
    kept = (terms < vocabulary_size) & (totals != 0)
    if kept.sum() > MAX_QUERY_TERMS:
        raise UsageError(f"a query has at most {MAX_QUERY_TERMS} terms")
    return terms[kept].astype(np.int32), totals[kept].astype(np.float64)
