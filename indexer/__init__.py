"""Offline: catalogs in, an index out. Needs torch and transformers; the engine does not."""

from indexer.index_writer import IndexWriter
from indexer.model import SparseModel
from indexer.pipeline import IndexingSummary, index_catalog
from indexer.vector_index import write_index

__all__ = ["IndexWriter", "IndexingSummary", "SparseModel", "index_catalog", "write_index"]
