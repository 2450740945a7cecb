"""Measuring the model in memory on judged collections, by exact search."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.sparse import csr_matrix

from engine.errors import UsageError
from indexer.model.document_encoder import DocumentEncoder
from indexer.model.masked_lm import MaskedLanguageModel
from indexer.model.pooling import PoolingConfig
from indexer.model.precision import choose_dtype
from training.configuration import DevCollection
from training.evaluation.collection import Collection
from training.evaluation.collection_source import load_collection
from training.evaluation.metrics import GRADED, METRICS, per_query_metrics
from training.evaluation.query_file import with_query_texts
from training.evaluation.ranking import Ranking, ScoredDocument, rank
from training.model.trainable import TrainableSparseModel

_BATCH_SIZE = 64
_QUERIES = 256  # scored at a time


@dataclass(frozen=True)
class DevFigures:
    """What a measurement gave.

    Attributes:
        ndcg: weighted mean over the collections of graded nDCG@10, which decides.
        by_collection: graded nDCG@10 of each.
        active_dims: mean active dimensions of the documents of each.
    """

    ndcg: float
    by_collection: Mapping[str, float]
    active_dims: Mapping[str, float]


class DevSet:
    """The collections of a recipe, read once."""

    def __init__(self, collections: Sequence[DevCollection], seed: int) -> None:
        self._weights = [each.weight for each in collections]
        self._collections: dict[str, Collection] = {}
        for each in collections:
            collection = _part(each, seed)
            name, number = collection.name, 1
            while name in self._collections:
                number += 1
                name = f"{collection.name}-{number}"
            self._collections[name] = collection

    def measure(self, model: TrainableSparseModel, max_active_dims: int | None) -> DevFigures:
        """Encode and search every collection; the model is left in the mode that it was in."""
        training = model.training
        model.eval()
        try:
            encoder = _document_encoder(model)
            figures, active = {}, {}
            for name, collection in self._collections.items():
                texts = [model.prompts.document + text for text in collection.texts]
                vectors = encoder.encode(
                    texts, batch_size=_BATCH_SIZE, max_active_dims=max_active_dims, progress=None
                ).vectors
                queries = collection.answerable()
                run = rank(_ExactSearch(model, vectors, collection.ids), collection, queries)
                values = per_query_metrics(collection, queries, run)
                figures[name] = float(values[:, METRICS.index(GRADED)].mean())
                active[name] = vectors.nnz / max(1, vectors.shape[0])
        finally:
            model.train(training)
        mean = float(np.average(list(figures.values()), weights=self._weights))
        return DevFigures(mean, figures, active)


class _ExactSearch:
    """Ranks documents by the products of all vectors."""

    def __init__(
        self, model: TrainableSparseModel, documents: csr_matrix, ids: Sequence[str]
    ) -> None:
        self._model = model
        self._weights = model.final_query_weights().cpu().numpy()
        self._by_term = documents.T.tocsr()
        self._ids = ids

    def search(self, texts: Sequence[str], k: int) -> list[Ranking]:
        """Return the k best documents for each text; those that score 0 are not found."""
        found = []
        for start in range(0, len(texts), _QUERIES):
            ids = self._model.query_tokens(texts[start : start + _QUERIES])
            columns = np.concatenate(ids)
            bounds = np.concatenate([[0], np.cumsum([len(each) for each in ids])])
            queries = csr_matrix(
                (self._weights[columns], columns, bounds), shape=(len(ids), len(self._weights))
            )
            for scores in (queries @ self._by_term).toarray():
                best = np.argsort(-scores, kind="stable")[:k]
                found.append(
                    [
                        ScoredDocument(self._ids[at], float(scores[at]))
                        for at in best
                        if scores[at] > 0
                    ]
                )
        return found


def _part(choice: DevCollection, seed: int) -> Collection:
    collection = load_collection(choice.path)
    if choice.queries:
        collection = with_query_texts(collection, choice.queries)
    if choice.split:
        collection = collection.in_split(choice.split)
    queries = collection.answerable()
    name = collection.name
    if choice.kind:
        queries = [query for query in queries if choice.kind in query.groups]
        name = f"{name}/{choice.kind}"
    if choice.max_queries and len(queries) > choice.max_queries:
        chosen = np.linspace(0, len(queries) - 1, choice.max_queries).astype(int)
        queries = [queries[at] for at in chosen]
    if not queries:
        raise UsageError(f"no query of the dev set {choice.path} is left to measure on")
    ids, texts = collection.ids, collection.texts
    if choice.max_documents and len(ids) > choice.max_documents:
        judged = {id for query in queries for id in collection.judgments.get(query.judged_as, {})}
        places = np.random.default_rng(seed).permutation(len(ids))
        needed = [at for at in places if ids[at] in judged]
        others = [at for at in places if ids[at] not in judged]
        kept = sorted(needed + others[: max(0, choice.max_documents - len(needed))])
        ids, texts = [ids[at] for at in kept], [texts[at] for at in kept]
    return replace(collection, name=name, ids=ids, texts=texts, queries=queries)


def _document_encoder(model: TrainableSparseModel) -> DocumentEncoder:
    dtype = choose_dtype("auto", model.device)
    # The encoder casts in place; parameters in training must stay in float32.
    body = model.masked_lm if dtype is torch.float32 else copy.deepcopy(model.masked_lm)
    bias = model.projection.bias
    masked_lm = MaskedLanguageModel(
        body,
        model.projection.weight.detach(),
        None if bias is None else bias.detach(),
        model.vocabulary_size,
        None,
    )
    pooling = PoolingConfig("max", "log1p_relu" if model.double_log else "relu")
    return DocumentEncoder(
        masked_lm,
        model.document_tokenizer,
        pooling,
        device=model.device,
        dtype=dtype,
        expansion=model.expansion,
    )
