"""A segment: an immutable run of documents, as read from a snapshot."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import IndexDamagedError
from engine.storage import keys
from engine.storage.block import MAX_BLOCK_DOCUMENTS
from engine.storage.envelope import HEADER_BYTES, as_array, read_value
from engine.storage.manifest import SegmentRecord


def hash_id(identifier: bytes) -> int:
    """Hash of an external id, by which segments are searched for it (64 bits of BLAKE2b)."""
    return int.from_bytes(hashlib.blake2b(identifier, digest_size=8).digest(), "little")


def hash_ids(identifiers: Sequence[bytes]) -> npt.NDArray[np.uint64]:
    """Hash of each external id, (N,) uint64."""
    return np.fromiter(map(hash_id, identifiers), np.uint64, len(identifiers))


class Segment:
    """Read access to the parts of one segment; arrays are views into the memory map.

    They are valid as long as the read transaction that they were read in. Each part is verified
    when it is first used; postings and stored documents piece by piece. What `before`, the same
    segment in an earlier commit of the same file, has verified is not verified again.
    """

    def __init__(
        self,
        transaction: Any,
        where: str,
        record: SegmentRecord,
        before: Segment | None = None,
    ) -> None:
        self.record = record
        self._transaction = transaction
        self.where = f"{where}: segment {record.number}"
        self._parts: dict[bytes, npt.NDArray[Any]] = {}
        # Views of what every hit is fetched from, once it was read: (offsets, bytes), and the same
        # with checksums. A number is had from a memoryview in a third of the time of an array.
        self._ids: tuple[memoryview, memoryview] | None = None
        self._documents: tuple[memoryview, memoryview, memoryview] | None = None
        self._verified: set[bytes] = set()
        if before is not None:
            # Tombstones are the one part that a later commit replaces.
            self._verified = before._verified - {self._tombstones_key}
        self.tombstones: npt.NDArray[np.uint8] | None = None
        if record.deleted:
            self.tombstones = self.part("tombstones")
            if self.tombstones.nbytes != -(-record.documents // 8):
                raise IndexDamagedError(f"{self.where} is damaged: its tombstones do not fit")

    def part(self, name: str) -> npt.NDArray[Any]:
        """A part of the segment, by its name in `keys.SEGMENT_PARTS`."""
        key = keys.segment_part(self.record.number, name)
        return self._read(key, name, keys.SEGMENT_PARTS[name])

    def block_part(self, block: int, name: str) -> npt.NDArray[Any]:
        """A part of one of its blocks, by its name in `keys.BLOCK_PARTS`."""
        key = keys.block_part(self.record.number, block, name)
        return self._read(key, f"block {block}, {name}", keys.BLOCK_PARTS[name])

    def _read(self, key: bytes, name: str, dtype: str) -> npt.NDArray[Any]:
        array = self._parts.get(key)
        if array is None:
            by_piece = key.rsplit(b"/", 1)[1].decode() in keys.CHECKED_BY_PIECE
            unchecked = not by_piece and key not in self._verified
            payload = read_value(
                self._transaction, key, f"{self.where}, {name}", check_payload=unchecked
            )
            self._verified.add(key)
            if len(payload) % np.dtype(dtype).itemsize:
                raise IndexDamagedError(f"{self.where}, {name} is damaged: it ends in mid-number")
            array = self._parts[key] = as_array(payload, dtype)
        return array

    @property
    def _tombstones_key(self) -> bytes:
        return keys.segment_part(self.record.number, "tombstones")

    def forget_parts(self) -> None:
        """Drop all views, so that the transaction can end."""
        self._parts.clear()
        self._ids = None
        self._documents = None
        self.tombstones = None

    def is_deleted(self, document: int) -> bool:
        """Whether a local document is marked as deleted."""
        bits = self.tombstones
        return bits is not None and bool(bits[document >> 3] >> (document & 7) & 1)

    def deleted_mask(self) -> npt.NDArray[np.bool_]:
        """Which documents are deleted, one flag a document; a fresh array."""
        if self.tombstones is None:
            return np.zeros(self.record.documents, np.bool_)
        bits = np.unpackbits(self.tombstones, count=self.record.documents, bitorder="little")
        return bits.astype(np.bool_)

    def deleted_in_block(self, block: int) -> npt.NDArray[np.uint16]:
        """Local documents of a block that are deleted, ascending."""
        if self.tombstones is None:
            return np.empty(0, np.uint16)
        first = block * MAX_BLOCK_DOCUMENTS
        bits = self.tombstones[first >> 3 : (first + MAX_BLOCK_DOCUMENTS) >> 3]
        # Blocks of a segment are full but for the last, so a block begins on a whole byte.
        return np.flatnonzero(np.unpackbits(bits, bitorder="little")).astype(np.uint16)

    def id_of(self, document: int) -> str:
        """External id of a local document.

        Raises:
            IndexDamagedError: what is stored is no id.
        """
        offsets, ids = self._ids or self._read_ids()
        try:
            return str(ids[offsets[document] : offsets[document + 1]], "utf-8")
        except UnicodeDecodeError:
            raise self._contradiction(f"the id of document {document} is no text") from None

    def encoded_id(self, document: int) -> bytes:
        """External id of a local document, in UTF-8."""
        offsets, ids = self._ids or self._read_ids()
        return bytes(ids[offsets[document] : offsets[document + 1]])

    def _read_ids(self) -> tuple[memoryview, memoryview]:
        offsets = self.part("id-offsets")
        if len(offsets) != self.record.documents + 1:
            raise self._contradiction("its ids are not one a document")
        self._ids = offsets.data, self.part("ids").data
        return self._ids

    def find(self, identifier: bytes, hashed: int | None = None) -> int | None:
        """Local document with the given external id, deleted ones left out.

        Args:
            identifier: the id, in UTF-8.
            hashed: its `hash_id`, where it is known.
        """
        hashes = self.part("id-hashes")
        wanted = np.uint64(hash_id(identifier) if hashed is None else hashed)
        at = int(np.searchsorted(hashes, wanted))
        while at < len(hashes) and hashes[at] == wanted:
            documents = self.part("id-documents")
            if len(documents) != len(hashes) or documents[at] >= self.record.documents:
                raise self._contradiction("the hash of an id leads to no document")
            document = int(documents[at])
            if self.encoded_id(document) == identifier and not self.is_deleted(document):
                return document
            at += 1
        return None

    def find_many(
        self, identifiers: Sequence[bytes], hashed: npt.NDArray[np.uint64] | None = None
    ) -> list[tuple[int, int]]:
        """Pairs (position in `identifiers`, local document) of those that live here.

        Args:
            identifiers: the ids, in UTF-8.
            hashed: their `hash_ids`, where several segments are searched for them.
        """
        hashes = self.part("id-hashes")
        if not len(hashes) or not identifiers:
            return []
        wanted = hash_ids(identifiers) if hashed is None else hashed
        at = np.minimum(np.searchsorted(hashes, wanted), len(hashes) - 1)
        candidates = np.flatnonzero(hashes[at] == wanted)
        found = ((i, self.find(identifiers[i], int(wanted[i]))) for i in candidates.tolist())
        return [(i, document) for i, document in found if document is not None]

    def document_lengths(self) -> npt.NDArray[np.int64]:
        """Bytes of the id and the stored document of each document, (N,) int64."""
        names = ["id-offsets", *(["document-offsets"] if self.record.has_documents else [])]
        lengths = np.zeros(self.record.documents, np.int64)
        for name in names:
            offsets = self.part(name)
            if len(offsets) != self.record.documents + 1:
                raise self._contradiction(f"its {name} are not one a document")
            lengths += np.diff(offsets).astype(np.int64)
        return lengths

    def document_bytes(self) -> int:
        """Bytes of all ids and stored documents, deleted ones included; nothing is read."""
        names = ("ids", "documents") if self.record.has_documents else ("ids",)
        stored = [self._transaction.get(keys.segment_part(self.record.number, at)) for at in names]
        return sum(len(value) - HEADER_BYTES for value in stored if value is not None)

    def content_hash(self, document: int) -> bytes | None:
        """16-byte hash of the text that a document was encoded from; None where none was kept."""
        if not self.record.has_documents:
            return None
        hashes = self.part("content-hashes")
        if len(hashes) != self.record.documents:
            raise self._contradiction("its content hashes are not one a document")
        return bytes(hashes[document])

    def stored_document(self, document: int) -> bytes | None:
        """Stored document of a local document, as JSON text; None where none was stored.

        Raises:
            IndexDamagedError: the bytes are not what was written.
        """
        if not self.record.has_documents:
            return None
        offsets, documents, checksums = self._documents or self._read_documents()
        # Checked in the copy, so that what is returned is what was checked.
        data = bytes(documents[offsets[document] : offsets[document + 1]])
        if zlib.crc32(data) != checksums[document]:
            raise IndexDamagedError(
                f"{self.where} is damaged: stored document {document} is not what was written"
            )
        return data

    def _read_documents(self) -> tuple[memoryview, memoryview, memoryview]:
        offsets, checksums = self.part("document-offsets"), self.part("document-checksums")
        if len(offsets) != self.record.documents + 1 or len(checksums) != self.record.documents:
            raise self._contradiction("its stored documents are not one a document")
        self._documents = offsets.data, self.part("documents").data, checksums.data
        return self._documents

    def _contradiction(self, problem: str) -> IndexDamagedError:
        """Of an index whose checksums are right, so that somebody made it so on purpose."""
        return IndexDamagedError(f"{self.where} is damaged: {problem}")


def encode_documents(documents: Sequence[bytes]) -> dict[str, npt.NDArray[Any]]:
    """Parts of a segment that hold its stored documents."""
    offsets = np.zeros(len(documents) + 1, np.uint64)
    np.cumsum([len(document) for document in documents], out=offsets[1:])
    return {
        "document-offsets": offsets,
        "document-checksums": np.fromiter(map(zlib.crc32, documents), np.uint32, len(documents)),
        "documents": np.frombuffer(b"".join(documents), np.uint8),
    }


def encode_ids(identifiers: Sequence[bytes]) -> dict[str, npt.NDArray[Any]]:
    """Parts of a segment that hold its external ids and the way back from them."""
    offsets = np.zeros(len(identifiers) + 1, np.uint64)
    np.cumsum([len(identifier) for identifier in identifiers], out=offsets[1:])
    hashes = hash_ids(identifiers)
    order = np.argsort(hashes, kind="stable").astype(np.uint32)
    return {
        "id-offsets": offsets,
        "ids": np.frombuffer(b"".join(identifiers), np.uint8),
        "id-hashes": hashes[order],
        "id-documents": order,
    }


def dump_document(document: Any) -> bytes:
    """Serialise a document for storage.

    Raises:
        TypeError, ValueError, RecursionError: JSON does not hold it (NaN, half a character, ...).
    """
    return _json.encode(document).encode()


# One for all documents, because making it takes as long as a short document.
_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
