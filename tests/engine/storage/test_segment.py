"""Segments: external ids and stored documents, there and back."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import IndexDamagedError
from engine.storage import segment as segment_module
from engine.storage.envelope import seal
from engine.storage.keys import segment_part
from engine.storage.manifest import SegmentRecord
from engine.storage.segment import Segment, dump_document, encode_documents, encode_ids, hash_ids

IDS = st.lists(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=12), min_size=1, unique=True
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=9),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


class Stored:
    """A transaction in memory: what a segment reads, sealed as LMDB would hold it."""

    def __init__(self, parts: dict[str, Any]) -> None:
        self.values = {
            segment_part(0, name): seal(segment_part(0, name), part) for name, part in parts.items()
        }

    def get(self, key: bytes) -> memoryview | None:
        value = self.values.get(key)
        return None if value is None else memoryview(value)


def segment_with(
    ids: Sequence[str], deleted: Sequence[int] = (), documents: Sequence[Any] | None = None
) -> Segment:
    parts = encode_ids([identifier.encode() for identifier in ids])
    if deleted:
        mask = np.zeros(len(ids), np.bool_)
        mask[list(deleted)] = True
        parts["tombstones"] = np.packbits(mask, bitorder="little")
    if documents is not None:
        parts |= encode_documents([dump_document(document) for document in documents])
        hashes = [bytes([at % 256] * 16) for at in range(len(ids))]
        parts["content-hashes"] = np.frombuffer(b"".join(hashes), np.uint8)
    record = SegmentRecord(0, len(ids), documents is not None, (), len(deleted))
    return Segment(Stored(parts), "x", record)


@contextmanager
def colliding(hashes: int) -> Iterator[None]:
    """Only so many different hashes, so that ids share them."""
    original = segment_module.hash_id
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segment_module, "hash_id", lambda given: original(given) % hashes)
        yield


@given(IDS, st.sampled_from([1, 2, 2**64]), st.data())
def test_ids_round_trip(ids: list[str], hashes: int, data: st.DataObject) -> None:
    deleted = data.draw(st.sets(st.integers(0, len(ids) - 1)))
    others = data.draw(IDS)
    with colliding(hashes):
        segment = segment_with(ids, sorted(deleted))
        expected = {name: at for at, name in enumerate(ids) if at not in deleted}
        for at, identifier in enumerate(ids):
            assert segment.id_of(at) == identifier
            assert segment.is_deleted(at) == (at in deleted)
        asked = [*ids, *others]
        for identifier in asked:
            assert segment.find(identifier.encode()) == expected.get(identifier)
        found = segment.find_many([identifier.encode() for identifier in asked])
        assert found == [(at, expected[name]) for at, name in enumerate(asked) if name in expected]
    assert np.flatnonzero(segment.deleted_mask()).tolist() == sorted(deleted)
    assert segment.deleted_in_block(0).tolist() == sorted(deleted)


def test_long_ids_and_ids_that_differ_in_normalisation() -> None:
    composed = unicodedata.normalize("NFC", "sábana")
    decomposed = unicodedata.normalize("NFD", "sábana")
    long = ["x" * 65_535, "x" * 65_534 + "y", "ñ" * 32_767]
    ids = [composed, decomposed, *long, "\x00", " ", "a\nb", "🛏️"]
    segment = segment_with(ids)
    assert [segment.id_of(at) for at in range(len(ids))] == ids
    assert [segment.find(name.encode()) for name in ids] == list(range(len(ids)))
    assert segment.find(b"x" * 65_533) is None


def test_a_deleted_id_that_is_there_again_is_found() -> None:
    """Two documents of one id in a segment: the one that is not deleted is found."""
    for deleted, live in ((0, 2), (2, 0)):
        segment = segment_with(["a", "b", "a"], [deleted])
        assert segment.find(b"a") == live
        assert segment.find_many([b"b", b"a", b"c"]) == [(0, 1), (1, live)]


def test_ids_that_are_hashed_already_are_not_hashed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    segments = [segment_with(["a", "b"]), segment_with(["c", "a"])]
    ids = [b"c", b"a", b"none"]
    hashed = hash_ids(ids)

    def no_hash(identifier: bytes) -> int:
        raise AssertionError(identifier)

    monkeypatch.setattr(segment_module, "hash_id", no_hash)
    assert [one.find_many(ids, hashed) for one in segments] == [[(1, 0)], [(0, 0), (1, 1)]]
    assert [one.find(b"a", int(hashed[1])) for one in segments] == [0, 1]


def test_finding_nothing() -> None:
    segment = segment_with(["a"])
    assert segment.find_many([]) == []
    assert segment_with([]).find_many([b"a"]) == []
    assert segment_with([]).find(b"a") is None


def test_tombstones_of_the_second_block() -> None:
    ids = [str(at) for at in range(65_536 + 20)]
    segment = segment_with(ids, [3, 65_535, 65_536, 65_555])
    assert segment.deleted_in_block(0).tolist() == [3, 65_535]
    assert segment.deleted_in_block(1).tolist() == [0, 19]


@settings(deadline=None)
@given(st.lists(JSON, min_size=1, max_size=6))
def test_documents_round_trip(documents: list[Any]) -> None:
    segment = segment_with([str(at) for at in range(len(documents))], documents=documents)
    for at, document in enumerate(documents):
        stored = segment.stored_document(at)
        assert stored is not None
        assert json.loads(stored) == document
        assert segment.content_hash(at) == bytes([at] * 16)


def test_without_documents() -> None:
    segment = segment_with(["a"])
    assert segment.stored_document(0) is None
    assert segment.content_hash(0) is None


@pytest.mark.parametrize("bad", [float("nan"), float("-inf"), "\ud800", {1, 2}])
def test_what_json_does_not_hold_is_not_dumped(bad: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        dump_document({"field": bad})


def test_damage_of_one_document_spares_the_others() -> None:
    segment = segment_with(["a", "b"], documents=[{"n": 1}, {"n": 2}])
    stored: Stored = segment._transaction
    stored.values[segment_part(0, "documents")][-2] ^= 4
    assert segment.stored_document(0) == b'{"n":1}'
    with pytest.raises(IndexDamagedError, match="segment 0 is damaged: stored document 1"):
        segment.stored_document(1)


@pytest.mark.parametrize("name", ["ids", "id-offsets", "id-hashes", "id-documents"])
def test_damage_and_loss_of_a_part_are_named(name: str) -> None:
    segment = segment_with(["a", "b"])
    stored: Stored = segment._transaction
    stored.values[segment_part(0, name)][-1] ^= 1
    with pytest.raises(IndexDamagedError, match=f"segment 0, {name} is damaged"):
        segment.find(b"a")
    del stored.values[segment_part(0, name)]
    with pytest.raises(IndexDamagedError, match=f"segment 0, {name} is damaged: it is missing"):
        segment.find(b"a")


def test_tombstones_of_the_wrong_size_are_damage() -> None:
    parts = encode_ids([b"a"]) | {"tombstones": np.zeros(2, np.uint8)}
    with pytest.raises(IndexDamagedError, match="tombstones do not fit"):
        Segment(Stored(parts), "x", SegmentRecord(0, 1, False, (), 1))
