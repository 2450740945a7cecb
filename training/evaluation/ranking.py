"""Rankings of judged queries, cut at a depth, with every doubt decided against the system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from training.evaluation.collection import Collection, JudgedQuery

DEPTH = 100
"""The deepest rank that a measure looks at (MAP@100)."""


class ScoredDocument(NamedTuple):
    """A document of a ranking and the score it got."""

    id: str
    score: float


Ranking = list[ScoredDocument]
Run = dict[str, Ranking]
"""Query id -> ranking, the best document first."""


class Retriever(Protocol):
    """Anything that ranks the documents of a collection for texts."""

    def search(self, texts: Sequence[str], k: int) -> list[Ranking]:
        """Return the k best documents for each text, best first; fewer where fewer match."""
        ...


def rank(
    retriever: Retriever, collection: Collection, queries: Sequence[JudgedQuery], depth: int = DEPTH
) -> Run:
    """Rank the documents for each query, at most `depth` of them.

    Documents of one score are in the worst order possible: the more relevant, the later. The
    document that has the query's own id is left out, as BEIR does where passages are queries
    (unless it is judged relevant, when the ids are just alike).
    """
    known = set(collection.ids)
    total = len(collection.ids)
    run: Run = {}
    waiting = list(queries)
    # One more than is needed tells whether the last has equals beyond, another stands in for the
    # document with the query's own id.
    k = depth + 2
    while waiting:
        unfinished = []
        found = retriever.search([query.text for query in waiting], min(k, total))
        for query, hits in zip(waiting, found, strict=True):
            judged = collection.judgments.get(query.judged_as, {})
            own = query.judged_as if query.judged_as in known else None
            kept = [hit for hit in hits if hit.id != own or judged.get(hit.id, 0) > 0]
            complete = len(hits) < k or k >= total
            if not complete and kept[depth - 1].score == kept[-1].score:
                unfinished.append(query)
                continue
            run[query.id] = worst_order(kept, judged)[:depth]
        waiting, k = unfinished, 4 * k
    return {query.id: run[query.id] for query in queries}


def worst_order(hits: Sequence[ScoredDocument], judged: Mapping[str, float]) -> Ranking:
    """Return hits by score, those of one score by relevance, the most relevant last."""
    return sorted(hits, key=lambda hit: (-hit.score, max(0.0, judged.get(hit.id, 0.0))))
