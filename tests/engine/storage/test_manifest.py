"""Manifests: round trip, newer formats, and what is no manifest at all."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import IndexDamagedError, IndexFormatError
from engine.storage.manifest import (
    FORMAT_VERSION,
    MOST_TERMS,
    OLDEST_FORMAT_VERSION,
    BlockRecord,
    Manifest,
    ModelRecord,
    Quantization,
    SegmentRecord,
)

COUNTS = st.integers(0, 2**32)
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
BLOCKS = st.builds(BlockRecord, COUNTS, COUNTS, COUNTS, COUNTS)
SEGMENTS = st.builds(
    SegmentRecord,
    number=COUNTS,
    documents=COUNTS,
    has_documents=st.booleans(),
    blocks=st.lists(BLOCKS, max_size=3).map(tuple),
    deleted=COUNTS,
)
MANIFESTS = st.builds(
    Manifest,
    vocabulary_size=st.integers(0, MOST_TERMS),
    quantization=st.builds(Quantization, st.integers(-20, 20).map(lambda power: 2.0**power)),
    model=st.none() | st.builds(ModelRecord, TEXT, TEXT, COUNTS, TEXT),
    segments=st.lists(SEGMENTS, max_size=3).map(tuple),
    next_segment=COUNTS,
    transaction=COUNTS,
    software=TEXT,
)
EMPTY = Manifest(vocabulary_size=3, quantization=Quantization(8.0), model=None)


@given(MANIFESTS)
def test_round_trip(manifest: Manifest) -> None:
    assert Manifest.from_bytes(manifest.to_bytes(), "x") == manifest


def test_counts() -> None:
    blocks = (BlockRecord(10, 4, 30, 1), BlockRecord(3, 2, 5, 0))
    segments = (SegmentRecord(0, 13, True, blocks, deleted=4), SegmentRecord(1, 2, True, ()))
    manifest = dataclasses.replace(EMPTY, segments=segments)
    assert manifest.documents == 11
    assert segments[0].postings == 35
    assert manifest.quantization.step == 8 / 65536


@pytest.mark.parametrize("version", [FORMAT_VERSION + 1, 99, "2", None, 1.5])
def test_a_newer_format_says_how_to_upgrade(version: object) -> None:
    fields = json.loads(EMPTY.to_bytes())
    fields |= {"format_version": version, "software": "9.1", "news": [1], "segments": "elsewhere"}
    with pytest.raises(IndexFormatError) as caught:
        Manifest.from_bytes(json.dumps(fields).encode(), "my.index")
    message = str(caught.value)
    assert message.startswith("my.index has format version")
    assert "9.1" in message
    assert "pip install --upgrade" in message
    assert "\n" not in message


def test_an_older_format_says_how_to_build_it_anew() -> None:
    fields = json.loads(EMPTY.to_bytes()) | {"format_version": OLDEST_FORMAT_VERSION - 1}
    with pytest.raises(
        IndexFormatError, match=r"engine index CATALOG .*--rebuild --index my\.index"
    ):
        Manifest.from_bytes(json.dumps(fields).encode(), "my.index")


@pytest.mark.parametrize("value", [-1, 1 << 60, 1.5, True, None, "1", [], float("nan")])
def test_counts_of_other_kinds_are_damage(value: object) -> None:
    record = SegmentRecord(0, 3, True, (BlockRecord(3, 2, 4, 0),))
    manifest = dataclasses.replace(EMPTY, segments=(record,))
    for path in (["vocabulary_size"], ["segments", 0, "number"], ["segments", 0, "deleted"],
                 ["segments", 0, "blocks", 0, "terms"], ["transaction"]):  # fmt: skip
        fields: Any = json.loads(manifest.to_bytes())
        at = fields
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value
        with pytest.raises(IndexDamagedError, match="manifest cannot be read"):
            Manifest.from_bytes(json.dumps(fields).encode(), "my.index")


GARBAGE = [
    b"", b"{", b"null", b"[]", b"7", b'"text"', b"{}", b"\xff\xfe", b'{"format_version": 1}',
]  # fmt: skip


@pytest.mark.parametrize("data", GARBAGE)
def test_garbage_is_damage(data: bytes) -> None:
    with pytest.raises(IndexDamagedError, match=r"my\.index is damaged: its manifest"):
        Manifest.from_bytes(data, "my.index")


@given(st.binary(max_size=60))
def test_any_bytes_are_damage(data: bytes) -> None:
    with pytest.raises((IndexDamagedError, IndexFormatError)):
        Manifest.from_bytes(data, "x")


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Manifest)][:4])
@pytest.mark.parametrize("value", [None, 3, "x", [3], {"y": 1}])
def test_fields_of_the_wrong_kind_never_escape_as_other_errors(name: str, value: object) -> None:
    fields = json.loads(EMPTY.to_bytes()) | {name: value}
    with contextlib.suppress(IndexDamagedError):
        Manifest.from_bytes(json.dumps(fields).encode(), "x")


def test_a_vocabulary_that_would_take_all_memory() -> None:
    largest = dataclasses.replace(EMPTY, vocabulary_size=16_000_000)
    assert Manifest.from_bytes(largest.to_bytes(), "x") == largest
    wider = dataclasses.replace(EMPTY, vocabulary_size=16_000_001)
    with pytest.raises(IndexDamagedError, match="vocabulary_size is 16000001"):
        Manifest.from_bytes(wider.to_bytes(), "x")
