"""What the report measures at each scale."""

from __future__ import annotations

from dataclasses import dataclass, replace

from benchmarks.effort import Effort
from benchmarks.stored_collection import synthetic_name

_ALL = (
    "sabana",
    "sabana-rho",
    "splade-index",
    "seismic",
    "bmp",
    "pisa",
    "impact-index",
    "bm25s",
    "qdrant-edge",
    "scipy",
)
# Whose builds a million documents can wait for.
_AT_A_MILLION = ("sabana", "sabana-rho", "splade-index", "seismic", "bmp", "pisa", "bm25s")
_EXACT_AND_FAST = ("sabana", "splade-index", "bm25s")
# The Seismic of wide documents takes an hour to build.
_OF_WIDE = ("sabana", "sabana-rho", "splade-index", "bmp", "pisa", "bm25s")
_LENGTHS = (2, 20, 80)
REAL_QUERIES = ("home-depot", "home-depot-es", "splade-v3", "distilsplade-max")


@dataclass(frozen=True, slots=True)
class Plan:
    """One collection to measure on.

    Attributes:
        documents: how many; of the real collection at most so many.
        active_dimensions: of a synthetic collection; 0 for the real one.
        query_terms: mean lengths of the sets of queries, of a synthetic collection.
        engines: who is measured.
        effort: how much, how long.
    """

    documents: int
    active_dimensions: int
    query_terms: tuple[int, ...]
    engines: tuple[str, ...]
    effort: Effort

    @property
    def name(self) -> str:
        """Name of the collection."""
        if not self.active_dimensions:
            return "real"
        return synthetic_name(self.documents, self.active_dimensions)


@dataclass(frozen=True, slots=True)
class Scale:
    """All that a report measures.

    Attributes:
        plans: collections, in order.
        end_to_end_documents: real documents that are searched by text; 0 for none.
    """

    plans: tuple[Plan, ...]
    end_to_end_documents: int


_SMOKE = Effort(
    queries=40,
    tuning_queries=20,
    checked_queries=20,
    rounds=2,
    round_limit_s=1.0,
    build_limit_s=30.0,
    batch_rounds=1,
    first_answers=1,
)
_SMALL = Effort(
    queries=200,
    tuning_queries=100,
    checked_queries=50,
    rounds=3,
    round_limit_s=1.0,
    build_limit_s=60.0,
    batch_rounds=2,
    first_answers=2,
)
_FULL = Effort(queries=500, round_limit_s=1.0)
# Starting processes is measured where the target is.
_MILLION = replace(_FULL, first_answers=0, build_limit_s=1_800.0)

SCALES = {
    "smoke": Scale(
        (
            Plan(500, 150, (6,), ("sabana", "scipy"), _SMOKE),
            Plan(5_000, 150, (6, 40), ("sabana", "scipy"), _SMOKE),
        ),
        end_to_end_documents=0,
    ),
    "small": Scale(
        (
            Plan(1_000, 150, (6,), _ALL, _SMALL),
            Plan(10_000, 150, (6, 40, *_LENGTHS), _ALL, _SMALL),
            Plan(10_000, 800, (6,), _OF_WIDE, _SMALL),
            Plan(1_000, 0, (), _ALL, _SMALL),
        ),
        end_to_end_documents=1_000,
    ),
    "full": Scale(
        (
            Plan(10_000, 150, (6,), _ALL, _FULL),
            Plan(100_000, 150, (6, 40), _ALL, _FULL),
            Plan(100_000, 800, (6,), _OF_WIDE, _MILLION),
            Plan(1_000_000, 150, (6, 40, *_LENGTHS), _AT_A_MILLION, _MILLION),
            Plan(1_000_000_000, 0, (), _AT_A_MILLION, _MILLION),
        ),
        end_to_end_documents=1_000_000_000,
    ),
}


def larger(documents: int) -> Plan:
    """The plan for a collection beyond those of the scales: few engines, few rounds."""
    effort = replace(_MILLION, queries=300)
    engines = ("sabana", "sabana-rho", "splade-index") if documents > 1_000_000 else _AT_A_MILLION
    return Plan(documents, 150, (6, 40), engines, effort)


def engines_for(plan: Plan, query_terms: int) -> tuple[str, ...]:
    """Whose latency is measured for queries of a length: few where only the curve needs it."""
    if query_terms in _LENGTHS:
        return tuple(engine for engine in plan.engines if engine in _EXACT_AND_FAST)
    return plan.engines
