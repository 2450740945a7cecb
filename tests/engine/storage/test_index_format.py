"""`docs/index-format.md`, followed to the letter: a reader that uses nothing of this project.

It reads with lmdb, struct, zlib, hashlib, json and NumPy what the engine wrote, checks all that
the page promises, and must come to the engine's own answers.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
import zlib
from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
from scipy.sparse import csr_matrix, random_array

import indexer.inversion
import indexer.uncommitted
from engine import SearchEngine
from engine.storage import keys
from engine.storage.manifest import FORMAT_VERSION, Manifest
from engine.version import __version__
from indexer.vector_index import write_index

PAGE = Path(__file__).parents[3] / "docs" / "index-format.md"
WIDTH = 40

BLOCK_TYPES = {
    "terms": "<u4", "offsets": "<u4", "maxima": "<u2", "rows": "<i4", "checksums": "<u4",
    "postings": "<u4", "high": "u1", "low": "u1",
}  # fmt: skip
SEGMENT_TYPES = {
    "id-offsets": "<u8", "ids": "u1", "id-hashes": "<u8", "id-documents": "<u4",
    "tombstones": "u1", "document-offsets": "<u8", "document-checksums": "<u4",
    "documents": "u1", "content-hashes": "V16",
}  # fmt: skip


def blake2b(data: bytes, size: int) -> bytes:
    return hashlib.blake2b(data, digest_size=size).digest()


class Reader:
    """All of one commit, in memory."""

    def __init__(self, folder: Path) -> None:
        with (
            lmdb.open(str(folder), readonly=True, lock=False) as opened,
            opened.begin() as transaction,
        ):
            self.values = {bytes(key): bytes(value) for key, value in transaction.cursor()}
            number = transaction.id()
        self.used = {b"manifest"}
        self.manifest = json.loads(self.payload("manifest"))
        assert self.manifest["format_version"] == 1
        assert self.manifest["transaction"] == number
        self.step = self.manifest["quantization"]["max_weight"] / 65536
        self.ids: list[str] = []
        self.documents: list[Any] = []
        self.content_hashes: list[bytes | None] = []
        self.deleted: list[bool] = []
        # Term to document to impact.
        self.impacts: dict[int, dict[int, int]] = defaultdict(dict)
        for segment in self.manifest["segments"]:
            first = len(self.ids)
            self._read_segment(segment)
            for number, block in enumerate(segment["blocks"]):
                self._read_block(segment["number"], number, block, first + number * 65536)
        assert self.used == set(self.values)

    def payload(self, key: str) -> bytes:
        value = self.values[key.encode()]
        self.used.add(key.encode())
        magic, version, zero, length, crc, header_crc = struct.unpack_from("<4sHHQII", value)
        assert (magic, version, zero, length) == (b"SBNA", 1, 0, len(value) - 48)
        assert value[24:48] == blake2b(key.encode(), 16) + bytes(8)
        assert header_crc == zlib.crc32(value[:20] + bytes(4) + value[24:48])
        assert crc == zlib.crc32(value[48:])
        return value[48:]

    def parts(self, prefix: str, types: dict[str, str]) -> dict[str, Any]:
        return {
            name: np.frombuffer(self.payload(f"{prefix}/{name}"), dtype)
            for name, dtype in types.items()
        }

    def _read_segment(self, segment: dict[str, Any]) -> None:
        count = segment["documents"]
        assert count == sum(block["documents"] for block in segment["blocks"])
        absent = set() if segment["deleted"] else {"tombstones"}
        if not segment["has_documents"]:
            absent |= {"document-offsets", "document-checksums", "documents", "content-hashes"}
        types = {name: dtype for name, dtype in SEGMENT_TYPES.items() if name not in absent}
        parts = self.parts(f"segment/{segment['number']:010d}", types)
        ids = pieces(parts["ids"], parts["id-offsets"])
        assert len(ids) == count
        hashed = sorted(
            (int.from_bytes(blake2b(name, 8), "little"), at) for at, name in enumerate(ids)
        )
        pairs = zip(parts["id-hashes"].tolist(), parts["id-documents"].tolist(), strict=True)
        assert list(pairs) == hashed
        deleted = [False] * count
        if segment["deleted"]:
            bits = parts["tombstones"].tolist()
            assert len(bits) == -(-count // 8)
            flags = [bool(byte >> bit & 1) for byte in bits for bit in range(8)]
            deleted = flags[:count]
            assert not any(flags[count:])
        assert sum(deleted) == segment["deleted"]
        self.ids += [name.decode() for name in ids]
        self.deleted += deleted
        if not segment["has_documents"]:
            self.documents += [{}] * count
            self.content_hashes += [None] * count
            return
        stored = pieces(parts["documents"], parts["document-offsets"])
        assert parts["document-checksums"].tolist() == [zlib.crc32(one) for one in stored]
        self.documents += [json.loads(one) for one in stored]
        self.content_hashes += [bytes(one) for one in parts["content-hashes"]]

    def _read_block(self, segment: int, number: int, block: dict[str, Any], first: int) -> None:
        parts = self.parts(f"segment/{segment:010d}/block/{number:05d}", BLOCK_TYPES)
        documents, dense = block["documents"], block["dense_rows"]
        stride = -(-documents // 128) * 128
        terms, offsets = parts["terms"].tolist(), parts["offsets"].tolist()
        assert terms == sorted(set(terms))
        assert len(terms) == block["terms"]
        assert (offsets[0], offsets[-1]) == (0, len(parts["postings"]))
        assert [row for row in parts["rows"].tolist() if row >= 0] == list(range(dense))
        high, low = (parts[name].reshape(dense, stride) for name in ("high", "low"))
        total = 0
        for at, term in enumerate(terms):
            listed = parts["postings"][offsets[at] : offsets[at + 1]]
            row, maximum = int(parts["rows"][at]), int(parts["maxima"][at])
            if row < 0:
                pairs = [(posting >> 16, posting & 0xFFFF) for posting in listed.tolist()]
                order = [(-(impact * 16 // (maximum + 1)), document) for impact, document in pairs]
                assert order == sorted(order)
                assert len({document for _, document in pairs}) == len(pairs) > 0
                checksum = zlib.crc32(listed.tobytes())
            else:
                assert not len(listed)
                impacts = high[row].astype(int) * 256 + low[row]
                pairs = [(int(impacts[document]), document) for document in np.flatnonzero(impacts)]
                checksum = zlib.crc32(high[row].tobytes() + low[row].tobytes())
            assert parts["checksums"][at] == checksum
            assert max(pairs)[0] == maximum
            assert min(pairs)[0] > 0
            assert all(document < documents for _, document in pairs)
            total += len(pairs)
            for impact, document in pairs:
                self.impacts[term][first + int(document)] = impact
        assert total == block["postings"]

    def search(self, query: dict[int, float]) -> list[tuple[str, float, Any]]:
        """Every hit, in whole numbers as the page says."""
        factor = (2**31 - 2**18) / sum(abs(weight) for weight in query.values())
        sums: dict[int, int] = defaultdict(int)
        for term, weight in query.items():
            multiplier = round(weight * factor)
            if weight > 0:
                multiplier = max(multiplier, 1)
            for document, impact in self.impacts.get(term, {}).items():
                sums[document] += -(-multiplier * impact // 65536)
        hits = [
            (-units, document)
            for document, units in sums.items()
            if units > 0 and not self.deleted[document]
        ]
        unit = 65536 / factor * self.step
        return [
            (self.ids[document], -units * unit, self.documents[document])
            for units, document in sorted(hits)
        ]


def pieces(data: Any, offsets: Any) -> list[bytes]:
    bounds = offsets.tolist()
    assert (bounds[0], bounds[-1]) == (0, len(data))
    return [data[begin:end].tobytes() for begin, end in pairwise(bounds)]


def collection() -> tuple[csr_matrix, list[str], list[Any]]:
    rng = np.random.default_rng(8)
    rare = random_array((150, WIDTH - 6), density=0.06, rng=rng, dtype=np.float32)
    frequent = random_array((150, 6), density=0.5, rng=rng, dtype=np.float32)
    vectors = csr_matrix(np.hstack([rare.toarray(), frequent.toarray()]))
    ids = [f"sábana-{at}" for at in range(150)]
    return vectors, ids, [{"título": f"sábana {at}", "n": at / 7} for at in range(150)]


@pytest.fixture(scope="module", params=["with documents", "without"])
def index(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four segments: with dense rows, with tombstones, of one document, of an empty vector."""
    path = tmp_path_factory.mktemp("format") / "index"
    vectors, ids, documents = collection()

    def write(rows: slice, names: slice) -> None:
        given = documents[rows] if request.param == "with documents" else None
        write_index(path, vectors[rows], ids[names], given, max_weight=1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(indexer.inversion, "MIN_DENSE_DOCUMENTS", 100)
        write(slice(0, 140), slice(0, 140))
    with pytest.MonkeyPatch.context() as patch:
        # Merging would leave one segment, without tombstones.
        patch.setattr(indexer.uncommitted, "choose_merge", lambda _: [])
        write(slice(20, 60), slice(40, 80))
        write(slice(149, 150), slice(0, 1))
        write_index(path, csr_matrix((1, WIDTH), dtype=np.float32), ["empty"])
    return path


def queries() -> Iterator[dict[int, float]]:
    rng = np.random.default_rng(9)
    for term in range(WIDTH):
        yield {term: 1.0}
    yield dict.fromkeys(range(WIDTH), 1.0)
    yield {0: 1e-9, WIDTH - 1: 2.5}
    for _ in range(30):
        terms = sorted(rng.choice(WIDTH, 5, replace=False).tolist())
        yield {term: float(weight) for term, weight in zip(terms, rng.normal(1, 1, 5), strict=True)}


def test_the_reader_agrees_with_the_engine(index: Path) -> None:
    reader = Reader(index)
    with SearchEngine.open(index) as engine:
        for query in queries():
            hits = engine.search_vector(list(query), list(query.values()), k=1000)
            expected = reader.search(query)
            assert [hit.id for hit in hits] == [name for name, _, _ in expected]
            assert [hit.document for hit in hits] == [document for _, _, document in expected]
            assert [hit.score for hit in hits] == pytest.approx(
                [score for _, score, _ in expected], rel=1e-12
            )
        live = [at for at, deleted in enumerate(reader.deleted) if not deleted]
        assert len(engine) == len(live) == len({reader.ids[at] for at in live})
        for at in live:
            assert engine.get(reader.ids[at]) == reader.documents[at]
    assert set(filter(None, reader.content_hashes)) <= {bytes(16)}


def test_impacts_are_what_the_page_says(index: Path) -> None:
    reader = Reader(index)
    vectors, _, _ = collection()
    rows = [*range(140), *range(20, 60), 149]
    for document, row in enumerate(rows):
        for term in range(WIDTH):
            weight = float(vectors[row, term])
            exact = Fraction(weight) / Fraction(reader.step)
            expected = min(max(round(exact), 1), 65535) if weight else None
            assert reader.impacts[term].get(document) == expected


def test_large_values_begin_16_bytes_into_a_page(tmp_path: Path) -> None:
    vectors, ids, documents = collection()
    write_index(tmp_path, vectors, ids, documents, max_weight=1)
    data = (tmp_path / "data.mdb").read_bytes()
    page_size = struct.unpack_from("<I", data, 40)[0]
    large = [value for value in Reader(tmp_path).values.values() if len(value) > page_size // 2]
    assert len(large) > 2
    for value in large:
        assert data.find(value) % page_size == 16


def test_every_key_is_in_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for key in (keys.MANIFEST, keys.TOKENIZER, keys.STATIC_WEIGHTS, keys.UNFINISHED_RUNS):
        assert f"| `{key.decode()}` |" in page
    for name in (*keys.BLOCK_PARTS, *keys.SEGMENT_PARTS):
        assert f"| `{name}` |" in page
    assert dict(keys.BLOCK_PARTS) == BLOCK_TYPES
    assert dict(keys.SEGMENT_PARTS) == SEGMENT_TYPES
    for name in keys.CHECKED_BY_PIECE:
        assert f"`{name}`" in page.partition("## Manifest")[0]
    assert keys.block_part(12, 0, "postings").decode() in page
    assert f"format version {FORMAT_VERSION}\n" in page


def test_the_manifest_of_the_page_can_be_read() -> None:
    page = PAGE.read_text(encoding="utf-8")
    example = re.search(r"^```json\n(.*?)^```", page, re.M | re.S)
    assert example is not None
    manifest = Manifest.from_bytes(example[1].encode(), "the page")
    assert json.loads(manifest.to_bytes()) == json.loads(example[1])
    assert manifest.software == __version__
    assert manifest.documents == 70_000
    for name in json.loads(example[1]):
        assert f"| `{name}` |" in page
