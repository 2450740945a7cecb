"""What the postings of a block must be: every claim of the format, checked posting by posting."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from engine.storage.block import BANDS, row_stride
from engine.storage.manifest import BlockRecord
from engine.storage.stored_block import StoredBlock

# Posting lists are decoded so many postings at a time, so that memory stays bounded.
_POSTINGS_AT_ONCE = 1 << 20

Slots = npt.NDArray[np.intp]


def block_problems(block: StoredBlock, record: BlockRecord) -> Iterator[str]:
    """Decode all postings of a block and tell what is not as the format has it.

    Args:
        block: its parts, which fit together, see `read_block`.
        record: what the manifest says of it.
    """
    lengths = block.offsets[1:].astype(np.int64) - block.offsets[:-1]
    is_dense = block.rows >= 0
    dense = np.flatnonzero(is_dense)
    if not np.array_equal(block.rows[dense], np.arange(len(dense))):
        yield "its dense rows are not numbered in the order of their terms"
        return
    if np.any(block.rows < -1) or np.any((lengths > 0) == is_dense):
        yield "a term has both a posting list and a dense row, or neither"
        return
    if len(dense) != record.dense_rows:
        yield f"{len(dense)} dense rows instead of {record.dense_rows}"
    for slot in block.damaged_slots().tolist():
        yield f"the postings of term {block.terms[slot]} do not match their checksum"
    occurrences = len(block.postings)
    for begin, end in _runs(lengths):
        yield from _list_problems(block, lengths, begin, end)
    stride = row_stride(block.documents)
    for slot in dense.tolist():
        row = slice(int(block.rows[slot]) * stride, (int(block.rows[slot]) + 1) * stride)
        impacts = block.high[row].astype(np.uint16) << 8 | block.low[row]
        occurrences += int(np.count_nonzero(impacts))
        if impacts[block.documents :].any():
            yield f"the dense row of term {block.terms[slot]} goes on behind the last document"
        if not 0 < impacts.max(initial=0) == block.maxima[slot]:
            yield f"the largest impact of term {block.terms[slot]} is not the one that is stored"
    if occurrences != record.postings:
        yield f"{occurrences} postings instead of {record.postings}"


def _runs(lengths: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Runs of posting lists with not much more than `_POSTINGS_AT_ONCE` postings together."""
    ends = np.cumsum(lengths)
    begin = 0
    while begin < len(lengths):
        before = int(ends[begin - 1]) if begin else 0
        end = int(np.searchsorted(ends, before + _POSTINGS_AT_ONCE)) + 1
        yield begin, min(end, len(lengths))
        begin = end


def _list_problems(
    block: StoredBlock, lengths: npt.NDArray[np.int64], begin: int, end: int
) -> Iterator[str]:
    postings = block.postings[block.offsets[begin] : block.offsets[end]]
    if not len(postings):
        return
    slots: Slots = np.repeat(np.arange(begin, end), lengths[begin:end])
    impacts, documents = postings >> 16, postings & 0xFFFF
    largest = np.zeros(end - begin, np.uint32)
    np.maximum.at(largest, slots - begin, impacts)
    listed = np.flatnonzero(lengths[begin:end])
    wrong = listed[largest[listed] != block.maxima[begin:end][listed]] + begin
    for slot in wrong.tolist():
        yield f"the largest impact of term {block.terms[slot]} is not the one that is stored"
    bands = impacts * BANDS // (block.maxima[slots].astype(np.uint32) + 1)
    is_same_list = slots[1:] == slots[:-1]
    is_behind = (bands[1:] > bands[:-1]) | (
        (bands[1:] == bands[:-1]) & (documents[1:] <= documents[:-1])
    )
    for slot in _distinct(slots[1:][is_same_list & is_behind]):
        yield f"the postings of term {block.terms[slot]} are not in impact order"
    for slot in _distinct(slots[documents >= block.documents]):
        yield f"a posting of term {block.terms[slot]} is of no document"
    for slot in _distinct(slots[impacts == 0]):
        yield f"a posting of term {block.terms[slot]} has impact 0"
    places = np.sort(slots.astype(np.uint64) << np.uint64(16) | documents)
    for slot in _distinct(places[1:][places[1:] == places[:-1]] >> np.uint64(16)):
        yield f"term {block.terms[slot]} has a document twice"


def _distinct(slots: npt.NDArray[np.integer]) -> list[int]:
    found: list[int] = np.unique(slots).tolist()
    return found
