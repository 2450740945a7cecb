"""From a batch of examples to the losses of the recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from training.configuration import Recipe
from training.data.mixture import Row
from training.losses.bag_of_words import bag_of_words_loss
from training.losses.distillation import kl_loss, margin_mse_loss
from training.losses.ranking import ranking_loss
from training.losses.regularization import flops
from training.model.shares_of_words import Givers, SharesOfWords, expanded
from training.model.trainable import TrainableSparseModel
from training.teacher import DenseTeacher


@dataclass(frozen=True)
class BatchLosses:
    """What a batch gave.

    Attributes:
        total: what is minimised, with gradient.
        parts: each loss by its name, before its weight.
        zero_share: share of the queries that score 0 on their own document.
    """

    total: torch.Tensor
    parts: dict[str, float]
    zero_share: float


class Objective:
    """Computes the losses of a recipe.

    Scores are with the model's document expansion; the regularizer and the bag of words are of
    what the encoder gives by itself.
    """

    def __init__(
        self,
        recipe: Recipe,
        model: TrainableSparseModel,
        dtype: torch.dtype,
        teacher: DenseTeacher | None,
    ) -> None:
        self._recipe = recipe
        self._model = model
        self._dtype = dtype
        self._teacher = teacher
        self._shares = None if model.expansion is None else SharesOfWords(model.expansion)

    def __call__(
        self, rows: Sequence[Row], generator: np.random.Generator, ramp: float
    ) -> BatchLosses:
        """Return the losses of a batch; `ramp` is the factor on the FLOPS weight.

        The random part of a sampled vocabulary, and which negatives are used where there are more
        than the recipe wants, come from `generator`.
        """
        losses = self._recipe.losses
        batch = _Batch(rows, self._recipe.negatives, generator)
        query_ids = self._model.query_tokens([row.example.query for row in rows])
        columns = _Columns(
            query_ids,
            self._model.vocabulary_size,
            self._recipe.sampled_vocabulary,
            generator,
            self._shares,
        )
        device = self._model.device
        vocabulary = None if columns.all is None else torch.from_numpy(columns.all).to(device)
        token_ids = self._model.document_tokens(
            batch.documents, self._recipe.training_length or None
        )
        logits = self._model.document_logits(token_ids, vocabulary, self._dtype)
        documents = self._model.activate(logits)

        of_queries = torch.from_numpy(columns.of_queries).to(device)
        presence = torch.from_numpy(columns.presence(query_ids)).to(device)
        tokens = torch.from_numpy(columns.query_tokens).to(device)
        queries = presence * self._model.query_weights()[tokens]
        found = documents[:, of_queries]
        if columns.givers is not None:
            of_words, groups, shares = (
                torch.from_numpy(each).to(device)
                for each in (columns.of_words, columns.givers.groups, columns.givers.shares)
            )
            found = expanded(found, documents[:, of_words], groups, shares)
        scores = queries @ found.T

        parts: dict[str, torch.Tensor] = {}
        weights = {"flops": losses.flops * ramp}
        if losses.ranking:
            parts["ranking"] = ranking_loss(scores, scale=losses.ranking_scale)
        if losses.flops:
            times = None if columns.times is None else torch.from_numpy(columns.times).to(device)
            parts["flops"] = flops(documents, times)
        if losses.bag_of_words:
            parts["bag_of_words"] = bag_of_words_loss(
                logits[: len(rows), of_queries],
                presence,
                positive_weight=losses.bag_of_words_positive_weight,
            )
        if losses.teacher and self._teacher is not None:
            parts["teacher"] = self._teacher_loss(rows, scores)
        if losses.margin_mse or losses.kl:
            parts.update(self._given_scores(batch, scores))
        total = torch.stack(
            [weights.get(name, getattr(losses, name)) * part for name, part in parts.items()]
        ).sum()
        own = scores.detach().diagonal()
        return BatchLosses(
            total,
            {name: float(part.detach()) for name, part in parts.items()},
            float((own <= 0).float().mean()),
        )

    def _teacher_loss(self, rows: Sequence[Row], scores: torch.Tensor) -> torch.Tensor:
        """KL to the teacher's scores of the documents of the batch.

        Heard are the examples of sources that let the teacher have a say, of these the ones whose
        own document the teacher ranks first.
        """
        assert self._teacher is not None
        heard = [at for at, row in enumerate(rows) if self._recipe.sources[row.source].teacher]
        if not heard:
            return scores.sum() * 0
        examples = [rows[at].example for at in heard]
        theirs = self._teacher.scores(
            [example.teacher_query or example.query for example in examples],
            [row.example.document for row in rows],
        )
        index = torch.tensor(heard, device=scores.device)
        right = theirs.argmax(dim=1) == index
        if not right.any():
            return scores.sum() * 0
        return kl_loss(scores[index[right], : len(rows)], theirs[right])

    def _given_scores(self, batch: _Batch, scores: torch.Tensor) -> dict[str, torch.Tensor]:
        """Losses against the scores that came with the examples."""
        losses = self._recipe.losses
        device = scores.device
        zero = scores.sum() * 0
        chosen = torch.from_numpy(batch.scored).to(device)
        found: dict[str, torch.Tensor] = {}
        if len(chosen):
            candidates = torch.from_numpy(batch.candidates).to(device)
            mask = torch.from_numpy(batch.mask).to(device)
            teacher = torch.from_numpy(batch.scores).to(device)
            ours = scores[chosen].gather(1, candidates)
        if losses.margin_mse:
            found["margin_mse"] = margin_mse_loss(ours, teacher, mask) if len(chosen) else zero
        if losses.kl:
            found["kl"] = (
                kl_loss(ours, teacher, mask, temperature=losses.kl_temperature)
                if len(chosen)
                else zero
            )
        return found


class _Batch:
    """The documents of a batch: those of the examples first, then all negatives.

    Attributes:
        documents: texts; document i < number of examples belongs to example i.
        scored: (S,) int64, the examples that have scores of a document and negatives.
        candidates: (S, C) int64, positions in `documents` of what their scores are of.
        mask: (S, C) bool, where there is a candidate.
        scores: (S, C) float32.
    """

    def __init__(self, rows: Sequence[Row], negatives: int, generator: np.random.Generator) -> None:
        self.documents = [row.example.document for row in rows]
        scored: list[tuple[int, list[int], list[float]]] = []
        for at, row in enumerate(rows):
            example = row.example
            chosen = np.arange(len(example.negatives))
            if len(chosen) > negatives:
                chosen = np.sort(generator.permutation(len(chosen))[:negatives])
            first = len(self.documents)
            self.documents += [example.negatives[one] for one in chosen]
            if example.scores and len(chosen):
                positions = [at, *range(first, len(self.documents))]
                scored.append((at, positions, [example.scores[one] for one in (0, *(chosen + 1))]))
        width = max((len(positions) for _, positions, _ in scored), default=0)
        self.scored = np.array([at for at, _, _ in scored], dtype=np.int64)
        self.candidates = np.zeros((len(scored), width), dtype=np.int64)
        self.mask = np.zeros((len(scored), width), dtype=np.bool_)
        self.scores = np.zeros((len(scored), width), dtype=np.float32)
        for place, (_, positions, scores) in enumerate(scored):
            self.candidates[place, : len(positions)] = positions
            self.mask[place, : len(positions)] = True
            self.scores[place, : len(positions)] = scores


class _Columns:
    """The entries of the vocabulary that a batch is computed for.

    Attributes:
        query_tokens: (Q,) int64, ascending, all tokens of the batch's queries.
        all: (C,) int64, these, the words that give them weight and then random others; None for
            the whole vocabulary.
        of_queries: (Q,) int64, where the query tokens are among the columns.
        givers: what gives them weight; None where the model has no expansion.
        of_words: (W,) int64, where the words of the givers are among the columns.
        times: (C,) float32, how many entries of the vocabulary a column stands for, or None.
    """

    def __init__(
        self,
        query_ids: Sequence[np.ndarray],
        vocabulary_size: int,
        sampled: int,
        generator: np.random.Generator,
        shares: SharesOfWords | None,
    ) -> None:
        self.query_tokens = np.unique(np.concatenate(list(query_ids)))
        self.all: np.ndarray | None = None
        self.times: np.ndarray | None = None
        self.of_queries = self.query_tokens
        self.givers: Givers | None = None
        self.of_words = np.empty(0, dtype=np.int64)
        if shares is not None:
            self.givers = shares.of(self.query_tokens)
            self.of_words = self.givers.words
        needed = np.union1d(self.query_tokens, self.of_words)
        others = vocabulary_size - len(needed)
        if not sampled or sampled >= others:
            return
        rest = np.ones(vocabulary_size, dtype=np.bool_)
        rest[needed] = False
        drawn = generator.choice(np.flatnonzero(rest), sampled, replace=False)
        self.all = np.concatenate([needed, drawn])
        self.of_queries = np.searchsorted(needed, self.query_tokens)
        self.of_words = np.searchsorted(needed, self.of_words)
        self.times = np.ones(len(self.all), dtype=np.float32)
        self.times[len(needed) :] = others / sampled

    def presence(self, query_ids: Sequence[np.ndarray]) -> np.ndarray:
        """Return 1 where a query has a token: (queries, Q) float32."""
        found = np.zeros((len(query_ids), len(self.query_tokens)), dtype=np.float32)
        for row, ids in enumerate(query_ids):
            found[row, np.searchsorted(self.query_tokens, ids)] = 1
        return found
