"""How a record of a catalog compares with what is stored under its id."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any

from engine.storage.segment import dump_document


class StoredState(IntEnum):
    """What must be done so that an index holds a record; small whole numbers, for arrays."""

    OTHER_TEXT = 0
    """Nothing is stored, or a text that gave another vector: it must be encoded."""
    SAME_TEXT = 1
    """The same text, so the same vector; other fields differ."""
    SAME = 2
    """Exactly this record."""


def compare(
    content_hash: bytes,
    document: Any,
    stored_hash: bytes | None,
    stored_document: Callable[[], bytes | None],
) -> StoredState:
    """Compare a record with what is stored under its id.

    Args:
        content_hash: of what decides the record's vector, 16 bytes.
        document: the record as a dictionary of what JSON holds.
        stored_hash: what is stored of it; None for nothing.
        stored_document: reads the stored document, which is done only where the hashes are equal.
    """
    if stored_hash != content_hash:
        return StoredState.OTHER_TEXT
    same = stored_document() == dump_document(document)
    return StoredState.SAME if same else StoredState.SAME_TEXT
