"""Rankings as a TREC run file, for other tools to score."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from engine.errors import EngineError, UsageError
from training.evaluation.collection import Collection
from training.evaluation.ranking import Run


def check_run(path: Path, collection: Collection) -> None:
    """Check that a run of a collection can be written to a file, without writing it.

    Raises:
        UsageError: an id has a space in it, which the format cannot hold, or there is no folder
            for the file.
    """
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UsageError(f"{path} cannot be written: name a file in a folder that is there")
    for id in chain((query.id for query in collection.queries), collection.ids):
        if len(id.split()) != 1:
            raise UsageError(f"id {id!r} has a space in it, which a TREC run file cannot hold")


def write_run(path: Path, run: Run, tag: str) -> None:
    """Write `query-id Q0 document-id rank score tag` for each hit, separated by spaces.

    Hits of one score stand in the order in which they were judged, the worst possible; tools that
    order them by id may give slightly better figures.

    Raises:
        EngineError: the file cannot be written.
    """
    name = "_".join(tag.split()) or "run"
    lines = [
        f"{query_id} Q0 {hit.id} {place} {hit.score:.9g} {name}\n"
        for query_id, ranking in run.items()
        for place, hit in enumerate(ranking, start=1)
    ]
    try:
        path.write_text("".join(lines), encoding="utf-8")
    except OSError as error:
        raise EngineError(f"{path} cannot be written: {error.strerror or error}") from error
