"""How much is measured, and for how long at most."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """What one comparison costs.

    Attributes:
        queries: measured queries of a set.
        tuning_queries: others, on which settings of approximate engines are chosen.
        checked_queries: how many of the measured ones are judged against exhaustive scoring.
        rounds: measured rounds of each engine; one beforehand is not counted.
        k: hits a query.
        round_limit_s: a round of a slow engine ends early, after so many seconds.
        build_limit_s: an engine that takes longer to build is left out.
        batch_rounds: how often the queries are answered as one batch; 0 for never.
        first_answers: fresh processes that are timed to their first answer; 0 for none.
        memory_limit_gb: engines are measured in groups that fit into this together.
    """

    queries: int = 1_000
    tuning_queries: int = 200
    checked_queries: int = 100
    rounds: int = 5
    k: int = 10
    round_limit_s: float = 4.0
    build_limit_s: float = 600.0
    batch_rounds: int = 5
    first_answers: int = 3
    memory_limit_gb: float = 12.0
