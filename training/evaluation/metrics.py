"""Retrieval measures of each query, by ir-measures, under sentence-transformers' names.

The binary measures are those of its `SparseInformationRetrievalEvaluator`; one is put right: its
average precision divides by at most the cut-off, where trec_eval's divides by all relevant
documents. `dot_ndcg@10_graded` is not among them: nDCG@10 with the gain 2^relevance - 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ir_measures
import numpy as np
import numpy.typing as npt
from ir_measures import AP, RR, P, R, Success, nDCG

from training.evaluation.collection import Collection, JudgedQuery
from training.evaluation.ranking import DEPTH, Run

CUT_OFFS = (1, 3, 5, 10)
BINARY: Mapping[str, Any] = {
    **{f"dot_accuracy@{k}": Success @ k for k in CUT_OFFS},
    **{f"dot_precision@{k}": P @ k for k in CUT_OFFS},
    **{f"dot_recall@{k}": R @ k for k in CUT_OFFS},
    "dot_ndcg@10": nDCG @ 10,
    "dot_mrr@10": RR @ 10,
    f"dot_map@{DEPTH}": AP @ DEPTH,
}
GRADED = "dot_ndcg@10_graded"
METRICS = (*BINARY, GRADED)
MAIN_METRIC = "dot_ndcg@10"

# trec_eval counts gains in whole numbers and in time proportional to the largest.
_LARGEST_CODE = 100_000


def per_query_metrics(
    collection: Collection,
    queries: Sequence[JudgedQuery],
    run: Run,
    min_relevance: float | None = None,
) -> npt.NDArray[np.float64]:
    """Return (queries, `METRICS`) float64.

    Binary measures count documents judged `min_relevance` or more as relevant (None: more than 0);
    the graded one takes all relevances as they are. Each query must have a relevant document.
    """
    # trec_eval orders by score and then by id; ranks as scores leave it no ties to break.
    ranked = {
        query.id: {hit.id: float(-at) for at, hit in enumerate(run[query.id])} for query in queries
    }
    relevant = {query.id: collection.relevant(query, min_relevance) for query in queries}
    binary = {id: dict.fromkeys(documents, 1) for id, documents in relevant.items()}
    scale = gain_scale(collection)
    graded = {
        query.id: {
            id: round(scale * (2.0 ** max(0.0, relevance) - 1))
            for id, relevance in collection.judgments.get(query.judged_as, {}).items()
        }
        for query in queries
    }
    columns = {name: at for at, name in enumerate(METRICS)}
    rows = {query.id: at for at, query in enumerate(queries)}
    values = np.zeros((len(queries), len(METRICS)))
    names = {measure: name for name, measure in BINARY.items()}
    for metric in ir_measures.iter_calc(list(BINARY.values()), binary, ranked):
        values[rows[metric.query_id], columns[names[metric.measure]]] = metric.value
    for metric in ir_measures.iter_calc([nDCG @ 10], graded, ranked):
        values[rows[metric.query_id], columns[GRADED]] = metric.value
    count = np.array([len(relevant[query.id]) for query in queries], np.float64)
    values[:, columns[f"dot_map@{DEPTH}"]] *= count / np.minimum(count, DEPTH)
    return values


def gain_scale(collection: Collection) -> float:
    """By what gains are multiplied before they are rounded to the whole numbers that nDCG takes.

    1 where all relevances are whole, so that nothing is rounded. Otherwise a power of ten that
    keeps the largest gain below 100,000: for relevances up to 3, gains are exact to 1 / 20,000.
    nDCG is a ratio of gains, so the factor itself has no effect.
    """
    relevances = {
        relevance for judged in collection.judgments.values() for relevance in judged.values()
    }
    if all(relevance.is_integer() for relevance in relevances):
        return 1.0
    largest = 2.0 ** max(relevances) - 1
    return float(10 ** int(np.floor(np.log10(_LARGEST_CODE / largest))))
