"""One commit of an index, opened for searching; closed when the last search in it has ended."""

from __future__ import annotations

import os
import threading
import time
import weakref
from operator import attrgetter
from pathlib import Path
from types import TracebackType

from engine.errors import DocumentNotFoundError, UsageError
from engine.results import Hit, Match, QueryToken, SearchResults
from engine.retrieval.query_encoder import QueryEncoder
from engine.retrieval.scorer import ScoredDocuments, Scorer, Terms, Weights
from engine.storage.snapshot import Snapshot

_NO_KNOWN_TOKEN = "no word of this query is in the model's vocabulary"
_EMPTY_INDEX = "the index holds no documents"
_REMEDY = "call refresh()"
_weight_of = attrgetter("weight")


class OpenedCommit:
    """A snapshot with what it takes to search it; used as a context manager by every call.

    Args:
        path: directory of the index, whose newest commit is opened.
        before: the commit that was open before; what it verified and is unchanged is not verified
            again, and its tokenizer is used again.

    Raises:
        IndexNotFoundError, IndexFormatError, IndexDamagedError: see `SearchEngine.open`.
    """

    def __init__(self, path: Path, before: OpenedCommit | None = None) -> None:
        known = None if before is None or before.is_inherited else before
        self.snapshot: Snapshot = Snapshot(path, known.snapshot if known else None)
        self._process = os.getpid()
        self._changed = threading.Condition()
        self._calls = 0
        self._is_ended = False
        self._query_tokens: dict[int, QueryToken] = {}
        try:
            # First, as it checks the width of the vocabulary that the scorer's tables take.
            self._encoder = self._query_encoder(before)
            self.scorer: Scorer = Scorer(self.snapshot, known.scorer if known else None)
        except BaseException:
            self.snapshot.close()
            raise
        # Every call holds this object, and what a call returns holds nothing of the snapshot. Not
        # at the exit of the process, when threads may be searching still.
        weakref.finalize(self, self.snapshot.close_when_collected).atexit = False

    def _query_encoder(self, before: OpenedCommit | None) -> QueryEncoder | None:
        model = self.snapshot.manifest.model
        if model is None:
            return None
        if before is not None and before._has_query_side_of(self.snapshot):
            return before._encoder
        weights = self.snapshot.static_weights()
        return QueryEncoder(self.snapshot.tokenizer_json(), weights, model.query_prompt)

    def _has_query_side_of(self, snapshot: Snapshot) -> bool:
        """Whether a text is the same terms in another snapshot, and all of them are terms there."""
        here, there = self.snapshot.manifest, snapshot.manifest
        return here.model == there.model and here.vocabulary_size == there.vocabulary_size

    @property
    def is_inherited(self) -> bool:
        """Whether it was opened before this process was forked."""
        return self._process != os.getpid()

    def begin(self) -> bool:
        """Count a call that begins; False when this commit is closed to new ones.

        Raises:
            EngineError: a writer that cannot see this reader has overwritten what it reads.
        """
        with self._changed:
            if self._is_ended:
                return False
            self._calls += 1
        try:
            self.snapshot.refuse_overwritten(_REMEDY)
        except BaseException:
            self._leave()
            raise
        return True

    def __enter__(self) -> OpenedCommit:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            # What was overwritten while it was read gives wrong answers and misleading errors.
            if kind is None or issubclass(kind, Exception):
                self.snapshot.refuse_overwritten(_REMEDY)
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._changed:
            self._calls -= 1
            if self._is_ended and not self._calls:
                self.snapshot.close()
                self._changed.notify_all()

    def end(self, *, wait: bool) -> None:
        """Refuse new calls; the snapshot is closed once the last call under way has ended.

        Args:
            wait: come back only then.
        """
        if self.is_inherited:
            # Its calls and its lock are those of threads that are not in this process.
            self.snapshot.close()
            return
        with self._changed:
            self._is_ended = True
            if not self._calls:
                self.snapshot.close()
            while wait and self._calls:
                self._changed.wait()

    def text_encoder(self) -> QueryEncoder:
        """The query encoder of the index.

        Raises:
            UsageError: it has none.
        """
        if self._encoder is None:
            raise UsageError(
                f"{self.snapshot.path} was written from vectors without a model, so it cannot "
                "encode text; use search_vector(term_ids, weights)"
            )
        return self._encoder

    def results(
        self,
        query: str,
        terms: Terms,
        weights: Weights,
        found: ScoredDocuments,
        offset: int,
        explain: bool,
        begun: float,
    ) -> SearchResults:
        """What a search returns, with the documents of its hits."""
        ranked = zip(found.documents[offset:].tolist(), found.scores[offset:].tolist(), strict=True)
        hits = []
        for rank, (document, score) in enumerate(ranked, start=offset + 1):
            matches = self.matches(document, terms, weights) if explain else None
            hits.append(self.hit(rank, document, score, matches))
        reason = None
        if not len(terms):
            reason = _NO_KNOWN_TOKEN
        elif not self.snapshot.manifest.documents:
            reason = _EMPTY_INDEX
        tokens = self.tokens(terms, weights)
        took = (time.perf_counter() - begun) * 1000
        return SearchResults(query, tuple(hits), tokens, took, reason)

    def hit(self, rank: int, document: int, score: float, matches: tuple[Match, ...] | None) -> Hit:
        """A document as a result."""
        segment, local = self.snapshot.locate(document)
        return Hit(rank, segment.id_of(local), score, matches, segment.stored_document(local))

    def matches(self, document: int, terms: Terms, weights: Weights) -> tuple[Match, ...]:
        """The terms of a query that a document is indexed under, best contribution first."""
        document_weights, contributions = self.scorer.contributions(document, terms, weights)
        found = [
            Match(self._token(term), weight, document_weight, contribution)
            for term, weight, document_weight, contribution in zip(
                terms.tolist(),
                weights.tolist(),
                document_weights.tolist(),
                contributions.tolist(),
                strict=True,
            )
            if document_weight
        ]
        return tuple(sorted(found, key=lambda match: -match.contribution))

    def tokens(self, terms: Terms, weights: Weights) -> tuple[QueryToken, ...]:
        """The terms of a query as people read them, the highest weight first."""
        pairs = zip(terms.tolist(), weights.tolist(), strict=True)
        tokens = [self._query_token(term, weight) for term, weight in pairs]
        return tuple(sorted(tokens, key=_weight_of, reverse=True))

    def _query_token(self, term: int, weight: float) -> QueryToken:
        token = self._query_tokens.get(term)
        if token is None or token.weight != weight:
            token = QueryToken(self._token(term), weight)
            # Static weights stay what they are, so at most one a vocabulary entry is kept.
            self._query_tokens[term] = token
        return token

    def _token(self, term: int) -> str:
        return f"#{term}" if self._encoder is None else self._encoder.token(term)

    def find(self, id: str) -> int:
        """Number of the document with an external id.

        Raises:
            DocumentNotFoundError: there is none.
            UsageError: it is not text.
        """
        if not isinstance(id, str):
            raise UsageError(f"an id is text, as a hit's .id, not {type(id).__name__}: {id!r}")
        document = self.snapshot.find(id)
        if document is None:
            raise DocumentNotFoundError(f"{self.snapshot.path} has no document with id {id!r}")
        return document
