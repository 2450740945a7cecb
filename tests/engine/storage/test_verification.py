"""Verification: silent about what is sound, and about nothing else."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix, random_array

import indexer.inversion
from engine import IndexFormatError, IndexNotFoundError, verify_index
from engine.storage import block_contents, keys
from engine.storage.snapshot import Snapshot
from engine.storage.verification_report import Damage
from indexer.index_writer import IndexWriter
from tests.engine.storage.contents import open_store, segment_of
from tests.engine.storage.resealing import payloads, reseal
from tests.indexer.word_model import WordModel

WIDTH = 40
COUNT = 150


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two segments with lists, rows and tombstones."""
    path = tmp_path / "index"
    monkeypatch.setattr(indexer.inversion, "MIN_DENSE_DOCUMENTS", 100)
    rng = np.random.default_rng(2)
    rare = random_array((COUNT, WIDTH - 5), density=0.06, rng=rng, dtype=np.float32)
    frequent = random_array((COUNT, 5), density=0.5, rng=rng, dtype=np.float32)
    rows = csr_matrix(np.hstack([rare.toarray(), frequent.toarray()]))
    ids = [f"id-{at}" for at in range(COUNT)]
    with IndexWriter(path, vocabulary_size=WIDTH, max_weight=2) as writer:
        writer.add(ids, rows, [{"n": at, "x": "y" * 50} for at in range(COUNT)])
        writer.commit()
    with open_store(path, WIDTH) as store:
        store.commit(
            [segment_of(["id-3", "new"], documents=[{}, {}])],
            deleted={0: np.isin(np.arange(COUNT), [3, 4, 149])},
        )
    return path


def test_a_sound_index(path: Path) -> None:
    for deep in (False, True):
        seen: list[tuple[int, int]] = []
        report = verify_index(
            path,
            deep=deep,
            progress=lambda done, total: seen.append((done, total)),  # noqa: B023
        )
        assert report.is_sound
        assert not list(report)
        assert report.is_deep == deep
        assert (report.segments, report.documents) == (2, COUNT - 1)
        snapshot = Snapshot(path)
        entries = list(snapshot.entries())
        snapshot.close()
        assert report.values == len(entries)
        assert report.bytes == sum(len(value) for _, value in entries)
        assert seen == sorted(seen)
        assert seen[-1][0] == seen[-1][1]


def test_postings_are_decoded_in_parts(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_contents, "_POSTINGS_AT_ONCE", 7)
    assert verify_index(path, deep=True).is_sound


def test_an_index_with_a_model(tmp_path: Path) -> None:
    model: Any = WordModel()
    with IndexWriter(tmp_path / "index", model=model) as writer:
        writer.add(["a"], model.encode_documents(["w1 w2"]).vectors, [{}])
    assert verify_index(tmp_path / "index", deep=True).is_sound
    stored = payloads(tmp_path / "index")
    reseal(
        tmp_path / "index",
        {keys.TOKENIZER: b"{", keys.STATIC_WEIGHTS: stored[keys.STATIC_WEIGHTS][4:]},
    )
    assert [damage.part for damage in verify_index(tmp_path / "index", deep=True)] == [
        "static weights",
        "tokenizer",
    ]


def test_what_is_no_index(tmp_path: Path, path: Path) -> None:
    with pytest.raises(IndexNotFoundError):
        verify_index(tmp_path / "nothing")
    manifest = json.loads(payloads(path)[keys.MANIFEST]) | {"format_version": 99}
    reseal(path, {keys.MANIFEST: json.dumps(manifest).encode()})
    with pytest.raises(IndexFormatError, match="upgrade"):
        verify_index(path)


def test_each_damage_is_named(path: Path) -> None:
    """Bytes of several values are flipped in the file, in pages of their own and in the tree."""
    data = (path / "data.mdb").read_bytes()
    snapshot = Snapshot(path)
    stored = {key: bytes(value) for key, value in snapshot.entries()}
    snapshot.close()
    chosen = [
        keys.block_part(0, 0, "high"),
        keys.block_part(1, 0, "terms"),
        keys.segment_part(0, "documents"),
        keys.segment_part(0, "tombstones"),
    ]
    for key in chosen:
        # Pages that an earlier commit has left may hold it as well.
        value = stored[key]
        assert value in data
        data = data.replace(value, value[:-1] + bytes([value[-1] ^ 4]))
    (path / "data.mdb").write_bytes(data)
    for deep in (False, True):
        assert verify_index(path, deep=deep).damages == (
            Damage("segment 0, block 0, high", "its checksum does not match"),
            Damage("segment 0, documents", "its checksum does not match"),
            Damage("segment 0, tombstones", "its checksum does not match"),
            Damage("segment 1, block 0, terms", "its checksum does not match"),
        )


def test_damaged_pages(path: Path) -> None:
    whole = (path / "data.mdb").read_bytes()
    (path / "data.mdb").write_bytes(whole[:-4096])
    assert [damage.part for damage in verify_index(path)] == ["pages"]
    flipped = bytearray(whole)
    flipped[4096 + 16] ^= 1
    (path / "data.mdb").write_bytes(flipped)
    (damage,) = verify_index(path)
    assert str(damage) == "pages: meta page 1 is not one that LMDB wrote"


def array(path: Path, key: bytes) -> np.ndarray[Any, Any]:
    part = key.rsplit(b"/", 1)[1].decode()
    dtype = keys.BLOCK_PARTS.get(part) or keys.SEGMENT_PARTS[part]
    return np.frombuffer(payloads(path)[key], dtype).copy()


def changed(path: Path, key: bytes, change: Callable[[Any], object]) -> dict[bytes, bytes | None]:
    values = array(path, key)
    change(values)
    return {key: values.tobytes()}


def swap_first(values: Any) -> None:
    values[[0, 1]] = values[[1, 0]]


def set_at(at: Any, value: Any) -> Callable[[Any], object]:
    def change(values: Any) -> None:
        values[at] = value

    return change


DIFFERENT: list[tuple[str, Callable[[Any], object], str]] = [
    ("block/00000/rows", set_at(-1, 9), "parts contradict each other"),
    ("block/00000/rows", set_at(0, -2), "both a posting list and a dense row"),
    ("block/00000/maxima", set_at(0, 65535), "largest impact of term 0"),
    ("block/00000/maxima", set_at(-1, 65535), f"largest impact of term {WIDTH - 1}"),
    ("block/00000/checksums", set_at(2, 1), "term 2 do not match their checksum"),
    ("block/00000/terms", set_at(-1, WIDTH), "parts contradict each other"),
    ("block/00000/offsets", set_at(1, 0), "both a posting list and a dense row"),
    ("block/00000/postings", swap_first, "term 0 are not in impact order"),
    ("block/00000/postings", set_at(1, 5 << 16), "term 0 are not in impact order"),
    ("block/00000/postings", set_at(0, 0xFFFF << 16 | 0xFFFF), "a posting of term 0 is of no doc"),
    ("block/00000/postings", set_at(-1, 3), "has impact 0"),
    ("block/00000/low", set_at(slice(None), 0), "postings instead of"),
    ("block/00000/high", set_at(COUNT, 1), "goes on behind the last document"),
    ("ids", set_at(0, 0xFF), "the id of document 0 is no id"),
    ("id-offsets", set_at(1, 0), "the id of document 0"),
    ("id-offsets", set_at(-1, 0), "ids and their offsets contradict"),
    ("id-hashes", swap_first, "hashes of ids are out of order"),
    ("id-documents", set_at(0, 10**6), "not equally many"),
    ("id-documents", swap_first, "does not have the hash"),
    ("document-offsets", set_at(0, 1), "documents and their offsets contradict"),
    ("document-checksums", set_at(1, 1), "stored document 1 does not match its checksum"),
    ("documents", set_at(0, ord("[")), "stored document 0 does not match its checksum"),
    ("tombstones", set_at(0, 0), "say that 1 documents are deleted, not 3"),
    ("tombstones", set_at(-1, 0xFF), "documents are deleted, not 3"),
]


@pytest.mark.parametrize(("part", "change", "said"), DIFFERENT)
def test_contents_that_contradict_each_other(
    path: Path, part: str, change: Callable[[Any], object], said: str
) -> None:
    """All checksums of values are right; `deep` finds what somebody made so on purpose."""
    reseal(path, changed(path, f"segment/0000000000/{part}".encode(), change))
    assert any(said in str(damage) for damage in verify_index(path, deep=True))


def test_a_document_twice_in_a_list(path: Path) -> None:
    key = keys.block_part(0, 0, "postings")
    values = array(path, key)
    begin, end = array(path, keys.block_part(0, 0, "offsets"))[:2]
    bands = (values[begin:end] >> 16) * 16 // (array(path, keys.block_part(0, 0, "maxima"))[0] + 1)
    assert bands[0] > bands[-1]
    values[end - 1] = (values[end - 1] & 0xFFFF0000) | (values[begin] & 0xFFFF)
    reseal(path, {key: values.tobytes()})
    assert any("has a document twice" in str(damage) for damage in verify_index(path, deep=True))


def test_parts_that_are_missing_or_too_many(path: Path) -> None:
    stored = payloads(path)
    gone = {keys.segment_part(0, "ids"): None, keys.block_part(1, 0, "rows"): None}
    reseal(path, {**gone, b"segment/0000000007/ids": b"x", b"what is this": b"x"})
    for deep in (False, True):
        assert [str(damage) for damage in verify_index(path, deep=deep)] == [
            "segment 0, ids: it is missing from the index",
            "segment 1, block 0, rows: it is missing from the index",
            "segment 7, ids: it belongs to nothing that the manifest names",
            "what is this: it belongs to nothing that the manifest names",
        ]
    reseal(path, {key: stored[key] for key in gone})
    assert len(list(verify_index(path))) == 2


def manifest_of(path: Path) -> dict[str, Any]:
    snapshot = Snapshot(path)
    manifest = dataclasses.asdict(snapshot.manifest)
    snapshot.close()
    return manifest


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("documents", COUNT + 1, f"has {COUNT + 1}"),
        ("deleted", 2, "3 documents are deleted, not 2"),
        ("deleted", 10**6, "are deleted"),
        ("postings", 5, "postings instead of 5"),
        ("dense_rows", 5000, "dense rows instead of 5000"),
        ("terms", 1, "parts contradict each other"),
    ],
)
def test_counts_of_the_manifest(path: Path, field: str, value: int, said: str) -> None:
    manifest = manifest_of(path)
    record = manifest["segments"][0]
    (record if field in record else record["blocks"][0])[field] = value
    reseal(path, {keys.MANIFEST: json.dumps(manifest).encode()})
    damages = [str(damage) for damage in verify_index(path, deep=True)]
    assert any(said in damage for damage in damages), damages


def test_an_id_that_lives_twice(path: Path) -> None:
    with open_store(path, WIDTH) as store:
        store.commit([segment_of(["id-5", "new"], documents=[{}, {}])])
    assert verify_index(path).is_sound
    assert sorted(str(damage) for damage in verify_index(path, deep=True)) == [
        "ids: 'id-5' is live in 2 places",
        "ids: 'new' is live in 2 places",
    ]


def test_other_ids_of_the_same_hash(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.storage.segment.hash_id", lambda identifier: len(identifier))
    monkeypatch.setattr(
        "engine.storage.segment_contents.hash_id", lambda identifier: len(identifier)
    )
    other = path.parent / "other"
    with open_store(other) as store:
        store.commit([segment_of(["a", "b", "cc"]), segment_of(["d", "ee"])])
    assert verify_index(other, deep=True).is_sound


def test_an_empty_index(tmp_path: Path) -> None:
    with open_store(tmp_path / "index") as store:
        store.commit()
    report = verify_index(tmp_path / "index", deep=True)
    assert report.is_sound
    assert (report.segments, report.documents, report.values) == (0, 0, 1)
