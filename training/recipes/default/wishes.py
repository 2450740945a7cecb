"""Training pairs from wishes of shoppers, which were written for the recipe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from training.recipes.default.sources import Wish
from training.recipes.default.titles import Pair


def wishes(written: Sequence[Wish]) -> Iterator[tuple[str, Pair]]:
    """Yield (language of the query, pair): every query of a wish with its title.

    The teacher sees the plainest English query in place of a Spanish one.
    """
    for wish in written:
        pair = {"document": wish.title, "key": f"wish {wish.title.lower()}"}
        for query in wish.english:
            yield "en", {"query": query, **pair}
        for query in wish.spanish:
            yield "es", {"query": query, "teacher_query": wish.english[0], **pair}
