"""What an evaluation found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from training.evaluation.sparsity import Sparsity
from training.evaluation.statistics import Interval

ALL = "all"
"""The group of all queries together."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A mean over queries and its 95 % bootstrap interval."""

    value: float
    interval: Interval

    def to_dict(self) -> dict[str, float]:
        """Plain data for JSON."""
        return {"value": self.value, "low": self.interval.low, "high": self.interval.high}


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """One system's figures for one group of queries; no sparsity where there is no model."""

    queries: int
    metrics: Mapping[str, Measured]
    sparsity: Sparsity | None

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "queries": self.queries,
            "metrics": {name: measured.to_dict() for name, measured in self.metrics.items()},
            "sparsity": None if self.sparsity is None else self.sparsity.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class SystemFigures:
    """One system's figures for all queries together ("all") and for each group of them.

    Attributes:
        name: as it was asked for: a model's name or folder, or bm25.
        fingerprint: of the model; None for bm25.
        groups: name of the group -> figures.
        encoded: documents that were encoded for it, the others were in the index.
        seconds: what encoding, indexing and ranking took.
    """

    name: str
    fingerprint: str | None
    groups: Mapping[str, GroupFigures]
    encoded: int
    seconds: float

    def card(self, group: str = ALL) -> dict[str, float]:
        """Figures by name, as sentence-transformers returns and prints them on model cards."""
        figures = self.groups[group]
        card = {name: measured.value for name, measured in figures.metrics.items()}
        return card if figures.sparsity is None else card | figures.sparsity.to_dict()

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "encoded": self.encoded,
            "seconds": round(self.seconds, 3),
            "groups": {name: figures.to_dict() for name, figures in self.groups.items()},
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """The first system's mean minus another's, and the p-value of a paired randomization test."""

    value: float
    p: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The first system against another: group -> metric -> difference."""

    other: str
    groups: Mapping[str, Mapping[str, Difference]]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "other": self.other,
            "groups": {
                group: {
                    name: {"difference": difference.value, "p": difference.p}
                    for name, difference in metrics.items()
                }
                for group, metrics in self.groups.items()
            },
        }


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """All of an evaluation.

    Attributes:
        collection: its name.
        documents: of the corpus.
        queries: that were asked: those with a relevant document.
        left_out: queries without any relevant document, which were not asked.
        split: dev or test, None for all queries.
        min_relevance: the least relevance that counts, None for all above 0.
        systems: the model that was asked for, then those it was compared with.
        comparisons: of the first system with each other.
    """

    collection: str
    documents: int
    queries: int
    left_out: int
    split: str | None
    min_relevance: float | None
    systems: tuple[SystemFigures, ...]
    comparisons: tuple[Comparison, ...] = field(default=())

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups, "all" first."""
        return tuple(self.systems[0].groups)

    def card(self, group: str = ALL) -> dict[str, float]:
        """The first system's figures by name; see `SystemFigures.card`."""
        return self.systems[0].card(group)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, the form that `engine evaluate --json` prints."""
        return {
            "collection": self.collection,
            "documents": self.documents,
            "queries": self.queries,
            "left_out": self.left_out,
            "split": self.split,
            "min_relevance": self.min_relevance,
            "systems": [system.to_dict() for system in self.systems],
            "comparisons": [comparison.to_dict() for comparison in self.comparisons],
        }
