"""Sábana: search over learned sparse vectors, without a neural network at query time."""

from importlib import import_module
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
    InputNotFoundError,
    MissingExtraError,
    ModelError,
    ModelMismatchError,
    ModelNotFoundError,
    UsageError,
)
from engine.results import Explanation, Hit, IndexInfo, Match, QueryToken, SearchResults
from engine.version import __version__

if TYPE_CHECKING:
    from engine.search_engine import SearchEngine
    from engine.storage.backup import back_up, stream_backup
    from engine.storage.verification import verify_index
    from engine.storage.verification_report import Damage, VerificationReport

__all__ = [
    "CatalogError",
    "Damage",
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
    "InputNotFoundError",
    "Match",
    "MissingExtraError",
    "ModelError",
    "ModelMismatchError",
    "ModelNotFoundError",
    "QueryToken",
    "SearchEngine",
    "SearchResults",
    "UsageError",
    "VerificationReport",
    "__version__",
    "back_up",
    "stream_backup",
    "verify_index",
]

# Numba takes most of the time of an import, NumPy the rest: `engine --help` uses neither.
_HOMES = {
    "Damage": "engine.storage.verification_report",
    "SearchEngine": "engine.search_engine",
    "VerificationReport": "engine.storage.verification_report",
    "back_up": "engine.storage.backup",
    "stream_backup": "engine.storage.backup",
    "verify_index": "engine.storage.verification",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
