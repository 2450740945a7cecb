"""The systems that are measured: a model through its index, or BM25."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from indexer.model import SparseModel
from training.evaluation import bm25
from training.evaluation.bm25 import BM25
from training.evaluation.collection import Collection, JudgedQuery
from training.evaluation.metrics import per_query_metrics
from training.evaluation.model_index import ModelIndex
from training.evaluation.ranking import Run, rank
from training.evaluation.report import ALL
from training.evaluation.sparsity import Sparsity, measure_sparsity

SystemSource = SparseModel | str | os.PathLike[str] | None
"""A loaded model, its folder or name, None for the embedded default, or "bm25"."""

System = SparseModel | Literal["bm25"]


@dataclass(frozen=True, slots=True)
class Task:
    """What every system is asked: the same queries of the same collection, in the same groups."""

    collection: Collection
    queries: Sequence[JudgedQuery]
    min_relevance: float | None

    def groups(self) -> dict[str, npt.NDArray[np.int64]]:
        """Rows of all queries, and of each group among them in order of appearance."""
        rows: dict[str, list[int]] = {ALL: list(range(len(self.queries)))}
        for at, query in enumerate(self.queries):
            for group in query.groups:
                if group != ALL:
                    rows.setdefault(group, []).append(at)
        return {name: np.array(at, np.int64) for name, at in rows.items()}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one system did.

    Attributes:
        name: what it was asked for as.
        fingerprint: of the model; None for BM25.
        run: its rankings.
        values: (queries, metrics) float64, its measures.
        sparsity: of each group of queries; None for BM25.
        encoded: documents that were encoded; the others were in the index.
        seconds: what encoding, indexing and ranking took.
    """

    name: str
    fingerprint: str | None
    run: Run
    values: npt.NDArray[np.float64]
    sparsity: Mapping[str, Sparsity | None]
    encoded: int
    seconds: float


def load_system(source: SystemSource, device: str) -> System:
    """Load a model, unless it is loaded already; "bm25" is itself.

    Raises:
        ModelError, UsageError: see `SparseModel.load`.
    """
    if source == bm25.NAME:
        return "bm25"
    if isinstance(source, SparseModel):
        return source
    return SparseModel.load(source, device=device)


def ask(
    system: System, task: Task, place: Path | None, progress: Callable[[int], None] | None
) -> Outcome:
    """Let a system rank the documents for each query; `place` is where a model's index is kept."""
    return _ask_bm25(task) if system == "bm25" else _ask_model(system, task, place, progress)


def _ask_model(
    model: SparseModel, task: Task, place: Path | None, progress: Callable[[int], None] | None
) -> Outcome:
    collection = task.collection
    begun = time.perf_counter()
    with (
        _index_folder(place) as folder,
        ModelIndex(collection, model, folder, progress) as index,
    ):
        run = rank(index, collection, task.queries)
        frequencies, encoded = index.frequencies, index.encoded
    seconds = time.perf_counter() - begun
    sparsity: dict[str, Sparsity | None] = {}
    for group, rows in task.groups().items():
        texts = [task.queries[at].text for at in rows]
        sparsity[group] = measure_sparsity(model, texts, frequencies, len(collection.ids))
    values = per_query_metrics(collection, task.queries, run, task.min_relevance)
    return Outcome(model.name, model.fingerprint, run, values, sparsity, encoded, seconds)


def _ask_bm25(task: Task) -> Outcome:
    collection = task.collection
    begun = time.perf_counter()
    run = rank(BM25(collection.ids, collection.texts), collection, task.queries)
    seconds = time.perf_counter() - begun
    values = per_query_metrics(collection, task.queries, run, task.min_relevance)
    return Outcome(bm25.NAME, None, run, values, dict.fromkeys(task.groups()), 0, seconds)


@contextmanager
def _index_folder(place: Path | None) -> Iterator[Path]:
    if place is not None:
        yield place
        return
    with tempfile.TemporaryDirectory(prefix="evaluate-") as folder:
        yield Path(folder) / "index"
