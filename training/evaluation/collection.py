"""A judged collection: documents, queries, and which documents answer which query how well."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from engine.errors import UsageError

SPLITS = ("dev", "test")


@dataclass(frozen=True, slots=True)
class JudgedQuery:
    """One query.

    Attributes:
        id: unique in the collection; what run files call it.
        text: what the shopper typed.
        judged_as: the id that judgments are kept under. Two wordings of one query share it.
        groups: names such as a language or a kind; figures are given for each apart.
    """

    id: str
    text: str
    judged_as: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Collection:
    """A corpus with queries and judgments.

    Attributes:
        name: what reports call it.
        ids: N document ids, distinct.
        texts: N texts that are encoded, the title and the text joined by a space.
        queries: the queries, in their order in the file.
        judgments: query id -> document id -> relevance; what is not listed is not relevant.
    """

    name: str
    ids: Sequence[str]
    texts: Sequence[str]
    queries: Sequence[JudgedQuery]
    judgments: Mapping[str, Mapping[str, float]]

    def in_split(self, split: str) -> Collection:
        """Return the same collection with the queries of one split; see `query_split`.

        Raises:
            UsageError: there is no such split.
        """
        if split not in SPLITS:
            raise UsageError(f"there is no split {split!r}: use dev or test")
        kept = [query for query in self.queries if query_split(query.judged_as) == split]
        return replace(self, queries=kept)

    def answerable(self, min_relevance: float | None = None) -> list[JudgedQuery]:
        """Queries with at least one relevant document; the others say nothing of a ranking."""
        return [query for query in self.queries if self.relevant(query, min_relevance)]

    def judged_and_missing(self) -> tuple[int, int]:
        """Return how many judgments above 0 the queries have, and of how many the document lacks.

        A document that is not in the collection cannot be found, and counts against every system.
        """
        known = set(self.ids)
        judged = [
            id
            for name in {each.judged_as for each in self.queries}
            for id, relevance in self.judgments.get(name, {}).items()
            if relevance > 0
        ]
        return len(judged), sum(id not in known for id in judged)

    def relevant(self, query: JudgedQuery, min_relevance: float | None = None) -> set[str]:
        """Ids of the documents that count as relevant: those judged above 0, or from the least."""
        judged = self.judgments.get(query.judged_as, {})
        return {
            id
            for id, relevance in judged.items()
            if relevance > 0 and (min_relevance is None or relevance >= min_relevance)
        }


def query_split(query_id: str) -> str:
    """Return "dev" or "test", decided by the query's id alone, about half of the queries each.

    Dev where the first byte of SHA-256 of the id in UTF-8 is even, test where it is odd.
    """
    return SPLITS[hashlib.sha256(query_id.encode()).digest()[0] % 2]
