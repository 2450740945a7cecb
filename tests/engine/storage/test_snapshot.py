"""Snapshots: one commit, numbered through its segments, unchanged while writers go on."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import lmdb
import numpy as np
import pytest

from engine.errors import IndexDamagedError, IndexFormatError, IndexNotFoundError
from engine.storage import keys
from engine.storage.envelope import seal
from engine.storage.snapshot import Snapshot
from tests.engine.storage.contents import open_store, segment_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with open_store(tmp_path / "index") as store:
        store.commit([segment_of(["a", "b", "c"]), segment_of(["d"])])
        store.commit([segment_of(["e", "b"])], {0: np.array([False, True, False])})
    return tmp_path / "index"


def test_documents_are_numbered_through_all_segments(path: Path) -> None:
    snapshot = Snapshot(path)
    assert snapshot.first_documents.tolist() == [0, 3, 4, 6]
    names = []
    for document in range(6):
        segment, local = snapshot.locate(document)
        names.append(segment.id_of(local))
    assert names == ["a", "b", "c", "d", "e", "b"]
    assert [snapshot.find(name) for name in "abcdef"] == [0, 5, 2, 3, 4, None]
    assert snapshot.find("\ud800") is None
    del segment
    snapshot.close()


def test_snapshots_differ_and_stay(path: Path) -> None:
    first = Snapshot(path)
    with open_store(path) as store:
        for name in "xyz":
            store.commit([segment_of([name])])
            second = Snapshot(path)
            assert second.find(name) is not None
            assert first.find(name) is None
            assert len(first.segments) == 3
            second.close()
    assert first.find("b") == 5
    first.close()


def test_stored_bytes_name_every_part(path: Path) -> None:
    snapshot = Snapshot(path)
    totals = snapshot.stored_bytes()
    snapshot.close()
    expected = {*keys.BLOCK_PARTS, "manifest", "tombstones"} | {
        name for name in keys.SEGMENT_PARTS if name.startswith("id")
    }
    assert set(totals) == expected
    assert all(totals.values())


def rewrite(path: Path, key: bytes, value: bytes | None) -> None:
    with (
        lmdb.open(str(path), map_size=1 << 26) as opened,
        opened.begin(write=True) as transaction,
    ):
        if value is None:
            transaction.delete(key)
        else:
            transaction.put(key, value)


def test_no_index(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError):
        Snapshot(tmp_path)
    lmdb.open(str(tmp_path), map_size=1 << 20).close()
    with pytest.raises(IndexNotFoundError, match="nothing committed"):
        Snapshot(tmp_path)


def test_a_lost_manifest_is_damage(path: Path) -> None:
    rewrite(path, keys.MANIFEST, None)
    with pytest.raises(IndexDamagedError, match="it has no manifest"):
        Snapshot(path)


def test_a_manifest_of_another_commit_is_damage(path: Path) -> None:
    """What another program wrote, or a manifest that came back from an older commit."""
    rewrite(path, b"other", b"value")
    with pytest.raises(IndexDamagedError, match="its manifest is of commit 2, its pages of"):
        Snapshot(path)


def test_a_newer_format_is_told(path: Path) -> None:
    snapshot = Snapshot(path)
    manifest = dataclasses.replace(snapshot.manifest, format_version=2, transaction=3)
    snapshot.close()
    rewrite(path, keys.MANIFEST, bytes(seal(keys.MANIFEST, manifest.to_bytes())))
    with pytest.raises(IndexFormatError, match="upgrade"):
        Snapshot(path)


def test_a_failed_snapshot_leaves_nothing_open(path: Path) -> None:
    rewrite(path, keys.segment_part(0, "tombstones"), None)
    for _ in range(3):
        with pytest.raises(IndexDamagedError):
            Snapshot(path)
    # LMDB's own lock would show a reader that stayed behind.
    with lmdb.open(str(path), map_size=1 << 26) as opened:
        assert str(path) in opened.path()
        assert "no active readers" in opened.readers()
