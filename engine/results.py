"""What a search returns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, overload

from engine.errors import IndexDamagedError
from engine.storage.catalog_settings import CatalogSettings
from engine.storage.unfinished_run import UnfinishedRun


@dataclass(frozen=True, slots=True)
class QueryToken:
    """A token of a query that the vocabulary knows, and its weight."""

    token: str
    weight: float


@dataclass(frozen=True, slots=True)
class Match:
    """A query token that a document is indexed under.

    `contribution` is `weight` (of the query) x `document_weight`, and the contributions of a
    document's matches sum to its score.
    """

    token: str
    weight: float
    document_weight: float
    contribution: float


# Made once: a decoder takes longer to make than a document to read.
_json = json.JSONDecoder()


@dataclass(frozen=True, init=False)
class Hit:
    """One result: `rank` from 1, the external `id`, the `score`, the stored `document`.

    `matches` is given where the search was asked to explain, best contribution first.
    """

    rank: int
    id: str
    score: float
    matches: tuple[Match, ...] | None = None
    stored: bytes | None = field(default=None, repr=False)

    def __init__(
        self,
        rank: int,
        id: str,
        score: float,
        matches: tuple[Match, ...] | None = None,
        stored: bytes | None = None,
    ) -> None:
        # A frozen dataclass sets each field by a call; this takes a third of the time, and every
        # search makes as many as it has hits.
        fields = self.__dict__
        fields["rank"] = rank
        fields["id"] = id
        fields["score"] = score
        fields["matches"] = matches
        fields["stored"] = stored

    @property
    def document(self) -> dict[str, Any]:
        """The document as it was indexed; empty where none was stored with its vector.

        Raises:
            IndexDamagedError: what somebody stored is no document.
        """
        # Kept without a lock, as one that another thread holds would be held for ever in a process
        # that is forked meanwhile; to parse twice does no harm.
        kept: dict[str, Any] | None = self.__dict__.get("_document")
        if kept is not None:
            return kept
        if self.stored is None:
            return {}
        document = _decoded(self.stored)
        if not isinstance(document, dict):
            raise IndexDamagedError(f"the stored document of {self.id!r} is no JSON object")
        self.__dict__["_document"] = document
        return document

    def to_dict(self, fields: Sequence[str] | None = None) -> dict[str, Any]:
        """Plain data for JSON; `fields` names the document fields to keep, all where None."""
        document: Mapping[str, Any] = self.document
        if fields is not None:
            document = {name: document[name] for name in fields if name in document}
        plain = {"rank": self.rank, "id": self.id, "score": self.score, "document": document}
        if self.matches is not None:
            plain["matches"] = [
                {"token": match.token, "contribution": match.contribution} for match in self.matches
            ]
        return plain


def _decoded(stored: bytes) -> Any:
    """What `json.loads` returns, None where it raises; three times as fast for what we write."""
    try:
        text = stored.decode()
        document, end = _json.raw_decode(text)
        if end == len(text):
            return document
    except (ValueError, RecursionError):
        pass
    try:
        return json.loads(stored)
    except (ValueError, RecursionError):
        return None


@dataclass(frozen=True, slots=True)
class SearchResults(Sequence[Hit]):
    """The hits of one query, best first; a sequence of `Hit`.

    `reason` says why there are none, when no hit was possible at all: no token of the query is
    known to the model, or the index is empty.
    """

    query: str
    hits: tuple[Hit, ...]
    tokens: tuple[QueryToken, ...]
    took_ms: float
    reason: str | None = None

    def __len__(self) -> int:
        return len(self.hits)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Hit, ...]: ...
    def __getitem__(self, index: int | slice) -> Hit | tuple[Hit, ...]:
        return self.hits[index]

    def to_dict(self, fields: Sequence[str] | None = None) -> dict[str, Any]:
        """Plain data for JSON, the form that `engine search --json` prints."""
        plain: dict[str, Any] = {
            "query": self.query,
            "took_ms": round(self.took_ms, 4),
            "tokens": [{"token": part.token, "weight": part.weight} for part in self.tokens],
            "hits": [hit.to_dict(fields) for hit in self.hits],
        }
        if self.reason is not None:
            plain["reason"] = self.reason
        return plain


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a document has its score for a query.

    `matches` are the query's tokens that the document is indexed under, best contribution first;
    they sum to `score`. `missing` are those it is not indexed under.
    """

    query: str
    id: str
    score: float
    matches: tuple[Match, ...]
    missing: tuple[QueryToken, ...]


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """What is in an index.

    `bytes_by_part` are bytes of stored values by part name; `file_bytes` is the size of the index
    on disk. `active_dimensions` is the mean number of non-zero weights a document. `unfinished` are
    runs that have not read their catalogs to the end: interrupted ones, or, where
    `writer_at_work`, perhaps one that is going on. `catalog_settings` is how catalogs are read into
    it, where a run was told.
    """

    path: str
    documents: int
    deleted: int
    segments: int
    blocks: int
    postings: int
    terms: int
    active_dimensions: float
    vocabulary_size: int
    quantization_step: float
    model: str | None
    fingerprint: str | None
    format_version: int
    software: str
    file_bytes: int
    bytes_by_part: Mapping[str, int]
    unfinished: tuple[UnfinishedRun, ...]
    writer_at_work: bool
    catalog_settings: CatalogSettings

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        plain["bytes_by_part"] = dict(self.bytes_by_part)
        plain["unfinished"] = [asdict(run) for run in self.unfinished]
        plain["catalog_settings"] = asdict(self.catalog_settings)
        return plain
