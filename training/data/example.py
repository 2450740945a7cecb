"""One training example."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Example:
    """A query and the document that answers it.

    Attributes:
        query: what is searched for.
        document: the text that is to be found.
        negatives: texts that are not to be found.
        scores: a teacher's scores of the document and of each negative, in this order; or none.
        key: examples with the same key never meet in a batch; empty for none.
        teacher_query: the text that a dense teacher is given in place of `query`; empty for none.
    """

    query: str
    document: str
    negatives: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    key: str = ""
    teacher_query: str = ""
