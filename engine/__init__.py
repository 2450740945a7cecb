"""Sábana: search over learned sparse vectors, without a neural network at query time."""

from typing import TYPE_CHECKING

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
from engine.version import __version__

if TYPE_CHECKING:
    from engine.search_engine import SearchEngine

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


def __getattr__(name: str) -> object:
    # Numba takes most of the time of an import: `engine --help` has no use for it.
    if name == "SearchEngine":
        from engine.search_engine import SearchEngine

        globals()[name] = SearchEngine
        return SearchEngine
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
