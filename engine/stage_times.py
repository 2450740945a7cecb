"""A search taken apart: how long each of its stages takes."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter_ns

from engine.query_input import checked_range, checked_text, refuse_impossible_budget
from engine.results import SearchResults
from engine.search_engine import SearchEngine


@dataclass(frozen=True, slots=True)
class StageTimes:
    """Nanoseconds of the stages of one search, in their order.

    Attributes:
        tokenize: the text to vocabulary entries.
        look_up: the static weights of these entries.
        score: adding up postings and selecting the best, in native code, and calling it.
        fetch: ids and stored documents of the hits, their checksums compared.
        decode: the JSON of all of these documents, which is put off until somebody asks for it.
        rest: checking the arguments, and entering and leaving the commit that is searched.
    """

    tokenize: int
    look_up: int
    score: int
    fetch: int
    decode: int
    rest: int


def time_stages(
    engine: SearchEngine, query: str, k: int = 10, rho: float | None = None
) -> tuple[SearchResults, StageTimes]:
    """Search as `SearchEngine.search` does, with a clock between the stages.

    Raises:
        UsageError, IndexDamagedError: as `SearchEngine.search`.
    """
    begun = perf_counter_ns()
    k, _ = checked_range(k, 0)
    refuse_impossible_budget(rho)
    with engine._current.use() as commit:
        encoder = commit.text_encoder()
        text = checked_text(query)
        entered = perf_counter_ns()
        entries = encoder.entries(text)
        tokenized = perf_counter_ns()
        terms, weights = encoder.weigh(entries)
        looked_up = perf_counter_ns()
        found = commit.scorer.search(terms, weights, k, rho)
        scored = perf_counter_ns()
        results = commit.results(query, terms, weights, found, 0, False, begun / 1e9)
        fetched = perf_counter_ns()
    left = perf_counter_ns()
    for hit in results.hits:
        _ = hit.document
    decoded = perf_counter_ns()
    return results, StageTimes(
        tokenize=tokenized - entered,
        look_up=looked_up - tokenized,
        score=scored - looked_up,
        fetch=fetched - scored,
        decode=decoded - left,
        rest=entered - begun + left - fetched,
    )
