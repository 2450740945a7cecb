"""Documents that wait for their block to be full, or for a commit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix, vstack


class LiveDocuments(NamedTuple):
    """N documents in order: ids, (N, V) vectors, and what is stored with them, if anything."""

    ids: list[bytes]
    rows: csr_matrix
    documents: list[bytes] | None
    hashes: list[bytes] | None


class PendingDocuments:
    """Documents in the order in which they were added; of equal ids the last one lives."""

    def __init__(self) -> None:
        self._ids: list[bytes] = []
        self._rows: list[csr_matrix] = []
        self._first_of_rows: list[int] = []
        self._documents: list[bytes] = []
        self._hashes: list[bytes] = []
        self._last: dict[bytes, int] = {}
        self.has_documents = False
        self.bytes = 0

    def __len__(self) -> int:
        """All that was added, what has been replaced or discarded since included."""
        return len(self._ids)

    def __contains__(self, identifier: bytes) -> bool:
        return identifier in self._last

    def extend(
        self,
        ids: Sequence[bytes],
        rows: csr_matrix,
        documents: Sequence[bytes] | None,
        hashes: Sequence[bytes] | None,
    ) -> None:
        """Add documents; those of equal ids are replaced."""
        if not ids:
            return
        first = len(self._ids)
        self._first_of_rows.append(first)
        self._rows.append(rows)
        self.bytes += sum(map(len, ids))
        if documents is not None and hashes is not None:
            self.has_documents = True
            self._documents.extend(documents)
            self.bytes += sum(map(len, documents))
            self._hashes.extend(hashes)
        self._ids.extend(ids)
        # Last, as this is what counts: an interrupt in between leaves nothing half-added.
        for at, identifier in enumerate(ids, start=first):
            self._last[identifier] = at

    def own_rows(self) -> None:
        """Copy the vectors that were added last, which may be views of what others can change."""
        if self._rows:
            self._rows[-1] = self._rows[-1].copy()

    def discard(self, identifier: bytes) -> bool:
        """Drop the document of an id; tells whether there was one."""
        return self._last.pop(identifier, None) is not None

    def row(self, identifier: bytes) -> csr_matrix:
        """The vector of an id that is here, (1, V)."""
        at = self._last[identifier]
        part = int(np.searchsorted(self._first_of_rows, at, side="right")) - 1
        return self._rows[part][at - self._first_of_rows[part]]

    def content_hash(self, identifier: bytes) -> bytes | None:
        """The content hash of an id that is here; None where documents have none."""
        return self._hashes[self._last[identifier]] if self.has_documents else None

    def document(self, identifier: bytes) -> bytes | None:
        """The document of an id that is here; None where there are none."""
        return self._documents[self._last[identifier]] if self.has_documents else None

    def live(self) -> LiveDocuments:
        """What is to be written."""
        if not self._last:
            return LiveDocuments([], csr_matrix((0, 0), dtype=np.float32), None, None)
        rows = self._rows[0] if len(self._rows) == 1 else csr_matrix(vstack(self._rows, "csr"))
        kept = sorted(self._last.values())
        if len(kept) < rows.shape[0]:
            rows = rows[np.array(kept, np.int64)]
        ids = [self._ids[at] for at in kept]
        if not self.has_documents:
            return LiveDocuments(ids, rows, None, None)
        return LiveDocuments(
            ids,
            rows,
            [self._documents[at] for at in kept],
            [self._hashes[at] for at in kept],
        )
