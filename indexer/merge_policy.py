"""When segments are merged: a tiered policy over runs of neighbours.

A document keeps its place in the order of all documents, which breaks ties between equal scores, so
only neighbours are merged. A run of neighbours is worth merging when

- the largest is no larger than the others together, or all of them together are small: sizes then
  at least double from one segment to an older one, so there are few, and a document is rewritten
  only when at least as much is added as was there; or
- half of what they hold is of deleted documents, so that rewriting pays for itself.

Sizes are bytes of live documents, with their postings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.storage.block import MAX_BLOCK_DOCUMENTS
from engine.storage.manifest import SegmentRecord

# Merging writes one block, and takes the memory of one.
LARGEST_MERGE_BYTES = 256 << 20
# Rewriting so much takes about as long as the commit that it comes with.
SMALL_BYTES = 1 << 20
_POSTING_BYTES = 4


@dataclass(frozen=True, slots=True)
class SegmentSize:
    """What merging must know of a segment.

    Attributes:
        number: which segment it is.
        live, documents: without and with deleted documents.
        document_bytes: of ids and stored documents, deleted ones included.
        posting_bytes: of postings, likewise.
        has_documents: whether documents are stored in it.
    """

    number: int
    live: int
    documents: int
    document_bytes: int
    posting_bytes: int
    has_documents: bool

    @classmethod
    def of(cls, record: SegmentRecord, live: int, document_bytes: int) -> SegmentSize:
        """Sizes of a segment of which `live` documents are not deleted."""
        return cls(
            record.number,
            live,
            record.documents,
            document_bytes,
            _POSTING_BYTES * record.postings,
            record.has_documents,
        )

    @property
    def bytes(self) -> float:
        """Bytes of postings, ids and stored documents of live documents, about."""
        return (self.document_bytes + self.posting_bytes) * self.live / self.documents


def choose_merge(sizes: Sequence[SegmentSize]) -> list[int]:
    """Choose the run of neighbours that is most worth merging now.

    Args:
        sizes: of all segments, in order; none without a live document.

    Returns:
        Numbers of the segments to merge, of which there may be one; empty when none is worth it.
    """
    best: tuple[float, int, int] | None = None
    for begin in range(len(sizes)):
        live = documents = 0
        total = largest = document_bytes = 0.0
        for end in range(begin, len(sizes)):
            size = sizes[end]
            live += size.live
            documents += size.documents
            total += size.bytes
            largest = max(largest, size.bytes)
            document_bytes += size.document_bytes * size.live / size.documents
            if (
                live > MAX_BLOCK_DOCUMENTS
                or document_bytes > LARGEST_MERGE_BYTES
                or size.has_documents != sizes[begin].has_documents
            ):
                break
            is_several = end > begin
            is_balanced = 2 * largest <= total or total <= SMALL_BYTES
            if (is_several and is_balanced) or 2 * live <= documents:
                # As many segments less as possible, then as much waste; of equals the newest.
                gain = end - begin + 1 - live / documents
                if best is None or gain >= best[0]:
                    best = (gain, begin, end)
    if best is None:
        return []
    _, begin, end = best
    return [size.number for size in sizes[begin : end + 1]]
