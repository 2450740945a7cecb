"""Indexes of the engines, built once a collection and kept beside it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from benchmarks.effort import Effort
from benchmarks.engines import CONTENDERS
from benchmarks.stored_collection import StoredCollection
from benchmarks.worker import Worker

OURS = ("sabana", "sabana-rho")


def index_folder(cache: Path, collection: StoredCollection, engine: str) -> Path:
    """Where the index of an engine over a collection is kept."""
    kind = CONTENDERS[engine]
    # Budgets need no index of their own.
    stem = "sabana" if engine in OURS else engine
    name = f"{collection.name}-{collection.folder.name.rpartition('-')[0]}"
    return cache / "indexes" / name / f"{stem}-{kind.version()}"


def built_index(
    cache: Path, collection: StoredCollection, engine: str, effort: Effort, is_fresh: bool
) -> tuple[Path, dict[str, Any]]:
    """The index of an engine, and what building it took.

    Args:
        cache: where it is kept.
        collection: what it is of.
        engine: name of a contender.
        effort: limits the time of building.
        is_fresh: build it now even where the cache has one.

    Raises:
        WorkerError: it could not be built, or not in time.
    """
    folder = index_folder(cache, collection, engine)
    record = folder.with_name(folder.name + ".json")
    if record.exists() and not is_fresh:
        figures: dict[str, Any] = json.loads(record.read_text())
        return folder, figures
    record.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # A process of its own: what building leaves in memory is none of the searcher's.
    with Worker(engine) as worker:
        if engine in OURS:
            # Ours alone compiles something for building; others would compile their search in vain.
            worker.call("prepare")
        built, peak = worker.call_watched(
            "build",
            effort.build_limit_s,
            collection=str(collection.folder.resolve()),
            documents=collection.documents,
            vocabulary_size=collection.vocabulary_size,
            folder=str(folder.resolve()),
        )
    figures = {**built, **peak}
    record.write_text(json.dumps(figures))
    return folder, figures
