"""Sábana: search over learned sparse vectors, without a neural network at query time."""

from engine.errors import (
    CatalogError,
    DocumentNotFoundError,
    EngineError,
    IndexDamagedError,
    IndexFormatError,
    IndexLockedError,
    IndexNotFoundError,
    IndexWriteError,
    MissingExtraError,
    ModelError,
    ModelMismatchError,
    UsageError,
)
from engine.results import Explanation, Hit, IndexInfo, Match, QueryToken, SearchResults
from engine.search_engine import SearchEngine
from engine.version import __version__

__all__ = [
    "CatalogError",
    "DocumentNotFoundError",
    "EngineError",
    "Explanation",
    "Hit",
    "IndexDamagedError",
    "IndexFormatError",
    "IndexInfo",
    "IndexLockedError",
    "IndexNotFoundError",
    "IndexWriteError",
    "Match",
    "MissingExtraError",
    "ModelError",
    "ModelMismatchError",
    "QueryToken",
    "SearchEngine",
    "SearchResults",
    "UsageError",
    "__version__",
]
