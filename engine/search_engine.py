"""The public API: open an index, search it."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy.typing as npt

from engine.current_commit import CurrentCommit
from engine.errors import UsageError
from engine.query_input import (
    checked_range,
    checked_text,
    checked_threads,
    checked_vector,
    refuse_impossible_budget,
)
from engine.results import Explanation, IndexInfo, SearchResults
from engine.storage.unfinished_rebuild import unfinished_rebuild
from engine.storage.writer_lock import writer_is_at_work


class SearchEngine:
    """Search over one commit of an index. Share one object between threads.

    The index directory is self-contained: neither the model nor torch is needed. A writer at work
    in the same index changes nothing here until `refresh` is called, or `auto_refresh` seconds
    have passed. A process that is forked opens the index anew when it first searches.

    Example:
        >>> with SearchEngine.open("engine.index") as engine:
        ...     for hit in engine.search("sábana queen", k=10):
        ...         print(hit.rank, hit.id, hit.score, hit.document["title"])
    """

    def __init__(self, path: str | Path, auto_refresh: float | None = None) -> None:
        self._current = CurrentCommit(Path(path), auto_refresh)

    @classmethod
    def open(
        cls, path: str | Path = "engine.index", *, auto_refresh: float | None = None
    ) -> SearchEngine:
        """Open the index in a directory.

        Args:
            path: the directory.
            auto_refresh: look for a newer commit every so many seconds, before a search; the one
                search that finds one opens it. None to stay on this commit.

        Raises:
            IndexNotFoundError: there is none.
            IndexFormatError: it was written by a newer version.
            IndexDamagedError: it is truncated or damaged.
            UsageError: `auto_refresh` is negative or no number.
        """
        if auto_refresh is not None and not 0 <= auto_refresh < math.inf:
            raise UsageError(f"auto_refresh is a number of seconds from 0 up, not {auto_refresh}")
        return cls(path, auto_refresh)

    def refresh(self) -> bool:
        """Move to the newest commit; tells whether there was a newer one.

        Searches under way in other threads end in the commit in which they began, whose memory is
        freed then. An index that was compacted or rebuilt meanwhile is found by its path.

        Raises:
            IndexNotFoundError, IndexFormatError, IndexDamagedError: as `open`; this engine stays
                on the commit that it has.
        """
        return self._current.refresh()

    def close(self) -> None:
        """Let go of the index, once searches under way in other threads have ended.

        Results at hand stay usable. Closing twice is harmless. An engine that is dropped unclosed
        lets go when it is garbage collected.
        """
        self._current.close()

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
        with self._current.use() as commit:
            return commit.snapshot.manifest.documents

    def __bool__(self) -> bool:
        """True even when empty: an engine is not its documents."""
        return True

    def search(
        self,
        query: str,
        k: int = 10,
        *,
        offset: int = 0,
        explain: bool = False,
        rho: float | None = None,
    ) -> SearchResults:
        """Search for a text.

        Args:
            query: what the shopper typed.
            k: how many hits, at least 1.
            offset: how many of the best hits to leave out before those.
            explain: tell with each hit which tokens matched.
            rho: read at most so many postings, those that weigh most first: a whole number, or a
                share of the query's as a float up to 1.0. Then some of the best documents may be
                missed; the scores of those found stay exact. None finds the best, always.

        Raises:
            UsageError: the query is empty or too long, `k`, `offset` or `rho` make no sense, or the
                index was written from vectors without a model.
            IndexDamagedError: something that the query needs is not what was written.
        """
        begun = time.perf_counter()
        k, offset = checked_range(k, offset)
        refuse_impossible_budget(rho)
        with self._current.use() as commit:
            terms, weights = commit.text_encoder().encode(checked_text(query))
            found = commit.scorer.search(terms, weights, k + offset, rho)
            return commit.results(query, terms, weights, found, offset, explain, begun)

    def search_batch(
        self,
        queries: Sequence[str],
        k: int = 10,
        *,
        threads: int = 1,
        offset: int = 0,
        explain: bool = False,
        rho: float | None = None,
    ) -> list[SearchResults]:
        """Search for many texts; scoring runs on `threads` threads, without the interpreter lock.

        No more threads are started than there are CPUs for this process to run on. Tokenizing uses
        all cores, whatever `threads` says. `rho` is that of `search`, a query.

        `took_ms` of each result is the time of the whole batch divided by its queries.

        Raises:
            UsageError: as `search`, and when `threads` is no whole number from 1 up.
        """
        begun = time.perf_counter()
        k, offset = checked_range(k, offset)
        refuse_impossible_budget(rho)
        threads = checked_threads(threads)
        if isinstance(queries, str):
            raise UsageError("queries must be a list of texts, not one text")
        with self._current.use() as commit:
            encoder = commit.text_encoder()
            encoded = encoder.encode_batch([checked_text(query) for query in queries])
            found = commit.scorer.search_batch(encoded, k + offset, threads, rho)
            results = [
                commit.results(query, terms, weights, hits, offset, explain, begun)
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
        rho: float | None = None,
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
            rho: a budget of postings, see `search`.

        Raises:
            UsageError: the arrays do not fit together or hold impossible values.
        """
        begun = time.perf_counter()
        k, offset = checked_range(k, offset)
        refuse_impossible_budget(rho)
        with self._current.use() as commit:
            width = commit.snapshot.manifest.vocabulary_size
            terms, values = checked_vector(term_ids, weights, width)
            found = commit.scorer.search(terms, values, k + offset, rho)
            return commit.results("", terms, values, found, offset, explain, begun)

    def explain(self, query: str, id: str) -> Explanation:
        """Tell which tokens of a query a document matches, and what each contributes.

        Raises:
            DocumentNotFoundError: no document has this id.
            UsageError: the query is empty or too long.
        """
        with self._current.use() as commit:
            terms, weights = commit.text_encoder().encode(checked_text(query))
            matches = commit.matches(commit.find(id), terms, weights)
            tokens = commit.tokens(terms, weights)
        matched = {match.token for match in matches}
        return Explanation(
            query=query,
            id=id,
            score=sum(match.contribution for match in matches),
            matches=matches,
            missing=tuple(token for token in tokens if token.token not in matched),
        )

    def get(self, id: str) -> dict[str, Any]:
        """Return the stored document with the given id, empty where none was stored with it.

        Raises:
            DocumentNotFoundError: no document has this id.
        """
        with self._current.use() as commit:
            hit = commit.hit(0, commit.find(id), 0.0, None)
        return hit.document

    def __contains__(self, id: object) -> bool:
        with self._current.use() as commit:
            return isinstance(id, str) and commit.snapshot.find(id) is not None

    def encode_query(self, query: str) -> list[tuple[str, float]]:
        """Tokens of a query and their weights, the highest first.

        Raises:
            UsageError: the query is empty or too long.
        """
        with self._current.use() as commit:
            terms, weights = commit.text_encoder().encode(checked_text(query))
            return [(token.token, token.weight) for token in commit.tokens(terms, weights)]

    def info(self) -> IndexInfo:
        """Counts, sizes and the model of the index."""
        with self._current.use() as commit:
            path = str(commit.snapshot.path)
            manifest = commit.snapshot.manifest
            stored_bytes = commit.snapshot.stored_bytes()
            file_bytes = commit.snapshot.file_bytes()
            terms = commit.scorer.distinct_terms()
            unfinished = commit.snapshot.unfinished_runs()
            settings = commit.snapshot.catalog_settings()
        total = sum(segment.documents for segment in manifest.segments)
        postings = sum(segment.postings for segment in manifest.segments)
        return IndexInfo(
            path=path,
            documents=manifest.documents,
            deleted=total - manifest.documents,
            segments=len(manifest.segments),
            blocks=sum(len(segment.blocks) for segment in manifest.segments),
            postings=postings,
            terms=terms,
            active_dimensions=postings / total if total else 0.0,
            vocabulary_size=manifest.vocabulary_size,
            quantization_step=manifest.quantization.step,
            model=manifest.model.name if manifest.model else None,
            fingerprint=manifest.model.fingerprint if manifest.model else None,
            format_version=manifest.format_version,
            software=manifest.software,
            file_bytes=file_bytes,
            bytes_by_part=stored_bytes,
            unfinished=(*unfinished, *unfinished_rebuild(self._current.place)),
            writer_at_work=writer_is_at_work(self._current.place),
            catalog_settings=settings,
        )
