"""The model: reading it from disk, encoding queries and documents."""

from indexer.model.document_encoder import EncodedDocuments
from indexer.model.sparse_model import SparseModel

__all__ = ["EncodedDocuments", "SparseModel"]
