"""Offline: catalogs in, an index out. Needs torch and transformers; the engine does not."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from indexer.catalog_run import IndexingSummary
    from indexer.compaction import CompactionSummary, compact
    from indexer.index_writer import IndexWriter
    from indexer.model import SparseModel
    from indexer.pipeline import index_catalog
    from indexer.vector_index import write_index

__all__ = [
    "CompactionSummary",
    "IndexWriter",
    "IndexingSummary",
    "SparseModel",
    "compact",
    "index_catalog",
    "write_index",
]

# Torch takes seconds to import, and neither catalogs nor vectors of one's own have a use for it.
_HOMES = {
    "CompactionSummary": "indexer.compaction",
    "IndexWriter": "indexer.index_writer",
    "IndexingSummary": "indexer.catalog_run",
    "SparseModel": "indexer.model",
    "compact": "indexer.compaction",
    "index_catalog": "indexer.pipeline",
    "write_index": "indexer.vector_index",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
