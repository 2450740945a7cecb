"""The public API: open an index, search it."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import DocumentNotFoundError, EngineError, UsageError
from engine.results import Explanation, Hit, IndexInfo, Match, QueryToken, SearchResults
from engine.retrieval.parameters import MAX_QUERY_TERMS
from engine.retrieval.query_encoder import QueryEncoder
from engine.retrieval.scorer import ScoredDocuments, Scorer, Terms, Weights
from engine.storage.snapshot import Snapshot

MAX_QUERY_CHARACTERS = 1 << 16
LARGEST_QUERY_WEIGHT = 1e100
SMALLEST_QUERY_WEIGHT = 1e-100
_NO_KNOWN_TOKEN = "no word of this query is in the model's vocabulary"
_EMPTY_INDEX = "the index holds no documents"


class SearchEngine:
    """Search over one commit of an index. Share one object between threads.

    The index directory is self-contained: neither the model nor torch is needed. A writer at work
    in the same index is not noticed; open the index again to see newer commits.

    Example:
        >>> with SearchEngine.open("engine.index") as engine:
        ...     for hit in engine.search("sábana queen", k=10):
        ...         print(hit.rank, hit.id, hit.score, hit.document["title"])
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._in_use = _InUse()
        try:
            self._scorer = Scorer(snapshot)
            self._encoder: QueryEncoder | None = None
            if (model := snapshot.manifest.model) is not None:
                weights = snapshot.static_weights()
                tokenizer = snapshot.tokenizer_json()
                self._encoder = QueryEncoder(tokenizer, weights, model.query_prompt)
        except BaseException:
            self.close()
            raise

    @classmethod
    def open(cls, path: str | Path = "engine.index") -> SearchEngine:
        """Open the index in a directory.

        Raises:
            IndexNotFoundError: there is none.
            IndexFormatError: it was written by a newer version.
            IndexDamagedError: it is truncated or damaged.
        """
        return cls(Snapshot(path))

    def close(self) -> None:
        """Let go of the index, once searches under way in other threads have ended.

        Results at hand stay usable. Closing twice is harmless.
        """
        if self._in_use.end():
            self._snapshot.close()

    def __enter__(self) -> SearchEngine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __len__(self) -> int:
        """Live documents of the index."""
        return self._snapshot.manifest.documents

    def __bool__(self) -> bool:
        """True even when empty: an engine is not its documents."""
        return True

    def search(
        self, query: str, k: int = 10, *, offset: int = 0, explain: bool = False
    ) -> SearchResults:
        """Search for a text.

        Args:
            query: what the shopper typed.
            k: how many hits, at least 1.
            offset: how many of the best hits to leave out before those.
            explain: tell with each hit which tokens matched.

        Raises:
            UsageError: the query is empty or too long, `k` or `offset` make no sense, or the
                index was written from vectors without a model.
            IndexDamagedError: something that the query needs is not what was written.
        """
        begun = time.perf_counter()
        _refuse_impossible(k, offset)
        with self._in_use:
            terms, weights = self._text_encoder().encode(_checked_text(query))
            found = self._scorer.search(terms, weights, k + offset)
            return self._results(query, terms, weights, found, offset, explain, begun)

    def search_batch(
        self,
        queries: Sequence[str],
        k: int = 10,
        *,
        threads: int = 1,
        offset: int = 0,
        explain: bool = False,
    ) -> list[SearchResults]:
        """Search for many texts; scoring runs on `threads` threads, without the interpreter lock.

        Tokenizing uses all cores, whatever `threads` says.

        `took_ms` of each result is the time of the whole batch divided by its queries.

        Raises:
            UsageError: as `search`, and when `threads` is less than 1.
        """
        begun = time.perf_counter()
        _refuse_impossible(k, offset)
        if threads < 1:
            raise UsageError(f"threads must be at least 1, not {threads}")
        if isinstance(queries, str):
            raise UsageError("queries must be a list of texts, not one text")
        with self._in_use:
            encoder = self._text_encoder()
            encoded = encoder.encode_batch([_checked_text(query) for query in queries])
            found = self._scorer.search_batch(encoded, k + offset, threads)
            results = [
                self._results(query, terms, weights, hits, offset, explain, begun)
                for query, (terms, weights), hits in zip(queries, encoded, found, strict=True)
            ]
        each = (time.perf_counter() - begun) * 1000 / max(1, len(results))
        return [
            SearchResults(result.query, result.hits, result.tokens, each, result.reason)
            for result in results
        ]

    def search_vector(
        self,
        term_ids: npt.ArrayLike,
        weights: npt.ArrayLike,
        k: int = 10,
        *,
        offset: int = 0,
        explain: bool = False,
    ) -> SearchResults:
        """Search with a sparse query of one's own.

        Args:
            term_ids: (T,) integers, entries of the vocabulary. Weights of repeated entries are
                added up; entries beyond the vocabulary match nothing.
            weights: (T,) numbers of at most 1e100; negative ones count against a document, and
                what is below 1e-100 is taken as zero.
            k: how many hits, at least 1.
            offset: how many of the best hits to leave out before those.
            explain: tell with each hit which terms matched.

        Raises:
            UsageError: the arrays do not fit together or hold impossible values.
        """
        begun = time.perf_counter()
        _refuse_impossible(k, offset)
        terms, values = self._checked_vector(term_ids, weights)
        with self._in_use:
            found = self._scorer.search(terms, values, k + offset)
            return self._results("", terms, values, found, offset, explain, begun)

    def explain(self, query: str, id: str) -> Explanation:
        """Tell which tokens of a query a document matches, and what each contributes.

        Raises:
            DocumentNotFoundError: no document has this id.
            UsageError: the query is empty or too long.
        """
        terms, weights = self._text_encoder().encode(_checked_text(query))
        with self._in_use:
            matches = self._matches(self._find(id), terms, weights)
        matched = {match.token for match in matches}
        return Explanation(
            query=query,
            id=id,
            score=sum(match.contribution for match in matches),
            matches=matches,
            missing=tuple(
                token for token in self._tokens(terms, weights) if token.token not in matched
            ),
        )

    def get(self, id: str) -> dict[str, Any]:
        """Return the stored document with the given id, empty where none was stored with it.

        Raises:
            DocumentNotFoundError: no document has this id.
        """
        with self._in_use:
            hit = self._hit(0, self._find(id), 0.0, None)
        return hit.document

    def __contains__(self, id: object) -> bool:
        with self._in_use:
            return isinstance(id, str) and self._snapshot.find(id) is not None

    def encode_query(self, query: str) -> list[tuple[str, float]]:
        """Tokens of a query and their weights, the highest first.

        Raises:
            UsageError: the query is empty or too long.
        """
        with self._in_use:
            terms, weights = self._text_encoder().encode(_checked_text(query))
        return [(token.token, token.weight) for token in self._tokens(terms, weights)]

    def info(self) -> IndexInfo:
        """Counts, sizes and the model of the index."""
        manifest = self._snapshot.manifest
        with self._in_use:
            stored_bytes = self._snapshot.stored_bytes()
            file_bytes = self._snapshot.file_bytes()
        total = sum(segment.documents for segment in manifest.segments)
        postings = sum(segment.postings for segment in manifest.segments)
        return IndexInfo(
            path=str(self._snapshot.path),
            documents=manifest.documents,
            deleted=total - manifest.documents,
            segments=len(manifest.segments),
            blocks=sum(len(segment.blocks) for segment in manifest.segments),
            postings=postings,
            terms=self._scorer.distinct_terms(),
            active_dimensions=postings / total if total else 0.0,
            vocabulary_size=manifest.vocabulary_size,
            quantization_step=manifest.quantization.step,
            model=manifest.model.name if manifest.model else None,
            fingerprint=manifest.model.fingerprint if manifest.model else None,
            format_version=manifest.format_version,
            software=manifest.software,
            file_bytes=file_bytes,
            bytes_by_part=stored_bytes,
        )

    def _results(
        self,
        query: str,
        terms: Terms,
        weights: Weights,
        found: ScoredDocuments,
        offset: int,
        explain: bool,
        begun: float,
    ) -> SearchResults:
        hits = tuple(
            self._hit(
                rank,
                document,
                score,
                self._matches(document, terms, weights) if explain else None,
            )
            for rank, (document, score) in enumerate(
                zip(
                    found.documents[offset:].tolist(),
                    found.scores[offset:].tolist(),
                    strict=True,
                ),
                start=offset + 1,
            )
        )
        reason = None
        if not len(terms):
            reason = _NO_KNOWN_TOKEN
        elif not len(self):
            reason = _EMPTY_INDEX
        tokens = self._tokens(terms, weights)
        took = (time.perf_counter() - begun) * 1000
        return SearchResults(query, hits, tokens, took, reason)

    def _hit(
        self, rank: int, document: int, score: float, matches: tuple[Match, ...] | None
    ) -> Hit:
        segment, local = self._snapshot.locate(document)
        return Hit(rank, segment.id_of(local), score, matches, segment.stored_document(local))

    def _matches(self, document: int, terms: Terms, weights: Weights) -> tuple[Match, ...]:
        document_weights, contributions = self._scorer.contributions(document, terms, weights)
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

    def _tokens(self, terms: Terms, weights: Weights) -> tuple[QueryToken, ...]:
        pairs = zip(terms.tolist(), weights.tolist(), strict=True)
        ordered = sorted(pairs, key=lambda pair: -pair[1])
        return tuple(QueryToken(self._token(term), weight) for term, weight in ordered)

    def _token(self, term: int) -> str:
        return f"#{term}" if self._encoder is None else self._encoder.token(term)

    def _find(self, id: str) -> int:
        if not isinstance(id, str):
            raise UsageError(f"an id is text, as a hit's .id, not {type(id).__name__}: {id!r}")
        document = self._snapshot.find(id)
        if document is None:
            raise DocumentNotFoundError(f"{self._snapshot.path} has no document with id {id!r}")
        return document

    def _text_encoder(self) -> QueryEncoder:
        if self._encoder is None:
            raise UsageError(
                f"{self._snapshot.path} was written from vectors without a model, so it cannot "
                "encode text; use search_vector(term_ids, weights)"
            )
        return self._encoder

    def _checked_vector(
        self, term_ids: npt.ArrayLike, weights: npt.ArrayLike
    ) -> tuple[Terms, Weights]:
        try:
            ids, values = np.asarray(term_ids), np.asarray(weights, np.float64)
        except (ValueError, TypeError, OverflowError) as error:
            raise UsageError(
                f"term_ids and weights must be flat lists of numbers: {error}"
            ) from None
        if ids.size == 0:
            ids = ids.astype(np.int64)
        if ids.shape != values.shape or ids.ndim != 1:
            raise UsageError(
                "term_ids and weights must be two flat arrays of one length, not of shapes "
                f"{ids.shape} and {values.shape}"
            )
        if not np.issubdtype(ids.dtype, np.integer) or (ids < 0).any():
            raise UsageError("term_ids must be integers from 0 up")
        if not (np.abs(values) <= LARGEST_QUERY_WEIGHT).all():
            raise UsageError(f"weights must be numbers of at most {LARGEST_QUERY_WEIGHT:g}")
        terms, where = np.unique(ids, return_inverse=True)
        totals = np.bincount(where, weights=values, minlength=len(terms))
        # What is smaller can add nothing that a score would show.
        totals[np.abs(totals) < SMALLEST_QUERY_WEIGHT] = 0
        kept = (terms < self._snapshot.manifest.vocabulary_size) & (totals != 0)
        if kept.sum() > MAX_QUERY_TERMS:
            raise UsageError(f"a query has at most {MAX_QUERY_TERMS} terms")
        return terms[kept].astype(np.int32), totals[kept].astype(np.float64)


class _InUse:
    """Counts calls under way, so that the memory map is not taken from under a running search."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._calls = 0
        self._ended = False

    def __enter__(self) -> None:
        with self._changed:
            if self._ended:
                raise EngineError("this SearchEngine is closed; open the index again")
            self._calls += 1

    def __exit__(self, *error: object) -> None:
        with self._changed:
            self._calls -= 1
            if self._ended and not self._calls:
                self._changed.notify_all()

    def end(self) -> bool:
        """Refuse new calls and wait for the last; True for the one who is to close."""
        with self._changed:
            if self._ended:
                return False
            self._ended = True
            while self._calls:
                self._changed.wait()
            return True


def _refuse_impossible(k: int, offset: int) -> None:
    if not isinstance(k, int | np.integer) or not isinstance(offset, int | np.integer):
        raise UsageError(f"k and offset must be whole numbers, not {k!r} and {offset!r}")
    if k < 1:
        raise UsageError(f"k must be at least 1, not {k}")
    if offset < 0:
        raise UsageError(f"offset must not be negative, and is {offset}")


def _checked_text(query: str) -> str:
    if not isinstance(query, str):
        raise UsageError(f"a query must be text, not {type(query).__name__}")
    if not query.strip():
        raise UsageError("the query is empty; type some words to search for")
    if len(query) > MAX_QUERY_CHARACTERS:
        raise UsageError(
            f"the query has {len(query)} characters; the longest allowed has {MAX_QUERY_CHARACTERS}"
        )
    try:
        query.encode()
    except UnicodeEncodeError:
        raise UsageError("the query is not valid text: it holds half a character") from None
    return query
