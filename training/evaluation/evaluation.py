"""`evaluate`: figures on a judged collection, through the real index and engine."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from engine.errors import UsageError
from indexer.model import SparseModel
from training.evaluation.collection import Collection
from training.evaluation.collection_source import load_collection
from training.evaluation.metrics import METRICS
from training.evaluation.query_file import with_query_texts
from training.evaluation.report import (
    Comparison,
    Difference,
    EvaluationReport,
    GroupFigures,
    Measured,
    SystemFigures,
)
from training.evaluation.run_file import check_run, write_run
from training.evaluation.statistics import bootstrap_intervals, randomization_test
from training.evaluation.system import Outcome, System, SystemSource, Task, ask, load_system


def evaluate(
    collection: Collection | str | os.PathLike[str],
    model: SystemSource = None,
    *,
    index: str | os.PathLike[str] | None = None,
    compare: Sequence[SystemSource] = (),
    queries: str | os.PathLike[str] | None = None,
    split: str | None = None,
    min_relevance: float | None = None,
    run: str | os.PathLike[str] | None = None,
    device: str = "auto",
    progress: Callable[[int], None] | None = None,
) -> EvaluationReport:
    """Index a collection's documents under a model, ask all its queries, and measure the answers.

    Args:
        collection: a collection, a folder in BEIR form, or a NanoBEIR name.
        model: a loaded model, a folder or a name; None for the embedded default. "bm25" measures
            BM25 alone.
        index: folder of the index, kept for the next time: what is in it, unchanged and under the
            same model, is not encoded again. None for a temporary one. Models to compare with
            have theirs beside it, with a dot and the start of their fingerprint added to its name.
        compare: other models, or "bm25", which are asked the same.
        queries: a file of query texts in the place of the collection's; see `with_query_texts`.
        split: "dev" or "test" for about half of the queries, see `query_split`; None for all.
        min_relevance: the least relevance that counts as relevant; None for all above 0.
        run: a TREC run file to write, of the model's own rankings.
        device: "auto", "cpu" or "cuda", where models run that are named and not yet loaded.
        progress: called with the number of documents newly encoded or found unchanged.

    Raises:
        CatalogError: the collection or the queries cannot be read.
        UsageError: nothing is left to ask, or an argument makes no sense.
        EngineError: a model cannot be loaded, or the index cannot be written.
    """
    if min_relevance is not None and not min_relevance > 0:
        raise UsageError(f"min_relevance must be above 0, not {min_relevance}")
    whole = collection if isinstance(collection, Collection) else load_collection(collection)
    if queries is not None:
        whole = with_query_texts(whole, queries)
    if split is not None:
        whole = whole.in_split(split)
    task = Task(whole, whole.answerable(min_relevance), min_relevance)
    if not task.queries:
        raise UsageError(
            f"none of the {len(whole.queries)} queries of {whole.name} that were chosen has a "
            "relevant document: there is nothing to measure"
        )
    # Whatever can be wrong shows before documents are encoded for minutes.
    if run is not None:
        check_run(Path(run), whole)
    systems = [load_system(source, device) for source in (model, *compare)]
    places = _places(systems, None if index is None else Path(index))
    outcomes = []
    for system, place in zip(systems, places, strict=True):
        outcomes.append(ask(system, task, place, progress))
        if run is not None and len(outcomes) == 1:
            write_run(Path(run), outcomes[0].run, Path(outcomes[0].name).name)
    return EvaluationReport(
        collection=whole.name,
        documents=len(whole.ids),
        queries=len(task.queries),
        left_out=len(whole.queries) - len(task.queries),
        split=split,
        min_relevance=min_relevance,
        systems=tuple(_figures(task, outcome) for outcome in outcomes),
        comparisons=tuple(_comparison(task, outcomes[0], other) for other in outcomes[1:]),
    )


def _places(systems: Sequence[System], index: Path | None) -> list[Path | None]:
    """Where the index of each system is kept: the first model's as named, the others' beside it."""
    places: list[Path | None] = []
    is_free = True
    for system in systems:
        if index is None or not isinstance(system, SparseModel):
            places.append(None)
        elif is_free:
            places.append(index)
            is_free = False
        else:
            plain = index if index.name not in ("", "..") else index.resolve()
            places.append(plain.with_name(f"{plain.name}.{system.fingerprint[:12]}"))
    return places


def _figures(task: Task, outcome: Outcome) -> SystemFigures:
    groups = {}
    for group, rows in task.groups().items():
        values = outcome.values[rows]
        observations = [task.queries[at].judged_as for at in rows]
        means = values.mean(axis=0).tolist()
        intervals = bootstrap_intervals(values, observations)
        measured = (Measured(*pair) for pair in zip(means, intervals, strict=True))
        metrics = dict(zip(METRICS, measured, strict=True))
        groups[group] = GroupFigures(len(rows), metrics, outcome.sparsity[group])
    return SystemFigures(
        outcome.name, outcome.fingerprint, groups, outcome.encoded, outcome.seconds
    )


def _comparison(task: Task, first: Outcome, other: Outcome) -> Comparison:
    groups = {}
    for group, rows in task.groups().items():
        observations = [task.queries[at].judged_as for at in rows]
        mine, theirs = first.values[rows], other.values[rows]
        differences = (mine - theirs).mean(axis=0).tolist()
        p_values = randomization_test(mine, theirs, observations)
        pairs = (Difference(*pair) for pair in zip(differences, p_values, strict=True))
        groups[group] = dict(zip(METRICS, pairs, strict=True))
    return Comparison(other.name, groups)
