"""The names of everything stored: keys of the LMDB tree, and the parts of segments and blocks.

`docs/index-format.md` specifies each part byte by byte; this module is its index.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

MANIFEST: Final = b"manifest"
TOKENIZER: Final = b"model/tokenizer"
STATIC_WEIGHTS: Final = b"model/static-weights"
SEGMENTS: Final = b"segment/"  # what the keys of all segments begin with
UNFINISHED_RUNS: Final = b"unfinished-runs"
CATALOG_SETTINGS: Final = b"catalog-settings"

# Part name -> NumPy dtype, little-endian as every platform that LMDB files travel between here.
BLOCK_PARTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "terms": "<u4",  # term ids that occur in the block, ascending
        "offsets": "<u4",  # start of each term's posting list; one more than terms
        "maxima": "<u2",  # largest impact of each term in the block
        "rows": "<i4",  # dense row of each term, -1 where it has a posting list
        "checksums": "<u4",  # CRC-32 of each term's posting list or dense row
        "postings": "<u4",  # impact << 16 | local document, in impact order
        "high": "u1",  # high bytes of the dense rows, row after row
        "low": "u1",  # low bytes of the dense rows
    }
)
SEGMENT_PARTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "id-offsets": "<u8",  # start of each id; one more than documents
        "ids": "u1",  # external ids, UTF-8, one after another
        "id-hashes": "<u8",  # hash of each id, ascending
        "id-documents": "<u4",  # local document of each hash
        "content-hashes": "V16",  # hash of the encoded text; absent without documents
        "document-offsets": "<u8",  # start of each stored document; absent without documents
        "document-checksums": "<u4",  # CRC-32 of each stored document
        "documents": "u1",  # stored documents, UTF-8 JSON, one after another
        "tombstones": "u1",  # one bit a document, little bit order; absent while none is deleted
    }
)
# Parts whose pieces carry checksums of their own and are verified when first read.
CHECKED_BY_PIECE: Final = frozenset({"postings", "high", "low", "documents"})


def segment_part(segment: int, part: str) -> bytes:
    """Key of a part of a segment."""
    return f"segment/{segment:010d}/{part}".encode()


def block_part(segment: int, block: int, part: str) -> bytes:
    """Key of a part of a block of a segment."""
    return f"segment/{segment:010d}/block/{block:05d}/{part}".encode()


def describe(key: bytes) -> str:
    """What a key belongs to, for people: `segment 12, block 0, postings`."""
    # A damaged key is anything: shown with escapes, on one line.
    text = repr(key)[2:-1]
    match text.split("/"):
        case ["segment", segment, "block", block, part] if (segment + block).isdecimal():
            return f"segment {int(segment)}, block {int(block)}" + f", {part}" * bool(part)
        case ["segment", segment, part] if segment.isdecimal():
            return f"segment {int(segment)}" + f", {part}" * bool(part)
    return text.replace("model/", "").replace("-", " ")
