"""Catalog files in, records with an id and a text out; bad records are set aside with a reason."""

from indexer.catalog.fields import FieldChoice
from indexer.catalog.reader import CatalogReader
from indexer.catalog.record import CatalogRecord
from indexer.catalog.rejects import Reject, RejectLog, RejectReason

__all__ = [
    "CatalogReader",
    "CatalogRecord",
    "FieldChoice",
    "Reject",
    "RejectLog",
    "RejectReason",
]
