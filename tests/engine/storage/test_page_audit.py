"""The page audit accepts whatever LMDB writes, and refuses what contradicts itself.

`test_damage.py` damages every kind of page and byte.
"""

from __future__ import annotations

import random
import struct
from pathlib import Path

import lmdb
import pytest

from engine.errors import IndexDamagedError
from engine.storage.page_audit import audit_snapshot, read_meta_pages


def test_whatever_lmdb_writes_is_accepted(tmp_path: Path) -> None:
    """Random puts and deletes of values of all sizes, which split, merge and free pages.

    No key is written twice in a transaction: the store writer does not, and LMDB would reuse the
    pages of the first value, which the audit refuses.
    """
    rng = random.Random(4)
    path = tmp_path / "data.mdb"
    with lmdb.open(str(tmp_path), map_size=1 << 28, sync=False) as opened:
        with opened.begin() as transaction:
            assert audit_snapshot(path, transaction.id())
        for _ in range(60):
            with opened.begin(write=True) as transaction:
                for number in rng.sample(range(400), rng.choice((1, 5, 60))):
                    key = b"%0*d" % ((3, 30, 400)[number % 3], number)
                    if rng.random() < 0.4:
                        transaction.delete(key)
                    else:
                        transaction.put(key, rng.randbytes(rng.choice((0, 7, 300, 3000, 30_000))))
                transaction.put(b"manifest", rng.randbytes(100))
                if rng.random() < 0.1:
                    transaction.abort()
                    continue
            with opened.begin() as transaction:
                assert audit_snapshot(path, transaction.id())
                assert max(meta.transaction for meta in read_meta_pages(path)) == transaction.id()


def test_large_free_lists_are_accepted(tmp_path: Path) -> None:
    """A free list of more pages than fit into one."""
    with lmdb.open(str(tmp_path), map_size=1 << 28, sync=False) as opened:
        for payload in (b"x" * 4_000_000, b"y", b"z", b"z" * 2_000_000, b"z"):
            with opened.begin(write=True) as transaction:
                transaction.put(b"key", payload)
            with opened.begin() as transaction:
                assert audit_snapshot(tmp_path / "data.mdb", transaction.id())


def test_other_page_sizes_are_read_as_the_file_says(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path)) as opened, opened.begin(write=True) as transaction:
        transaction.put(b"key", b"value")
    path = tmp_path / "data.mdb"
    data = bytearray(path.read_bytes())
    size = struct.unpack_from("<I", data, 40)[0]
    assert read_meta_pages(path)[0].page_size == size
    for impossible in (0, 100, 1000, 1 << 17):
        struct.pack_into("<I", data, 40, impossible)
        path.write_bytes(data)
        with pytest.raises(IndexDamagedError, match=r"meta page|impossible"):
            read_meta_pages(path)


def commits(folder: Path, count: int) -> bytearray:
    with lmdb.open(str(folder)) as opened:
        for number in range(count):
            with opened.begin(write=True) as transaction:
                transaction.put(b"manifest", b"%d" % number)
    return bytearray((folder / "data.mdb").read_bytes())


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 8])
def test_a_wrong_transaction_number_never_brings_back_an_old_commit(
    tmp_path: Path, count: int
) -> None:
    data = commits(tmp_path, count)
    path = tmp_path / "data.mdb"
    page_size = len(data) // (1 + max(meta.last_page for meta in read_meta_pages(path)))
    at = (count % 2) * page_size + 144
    for number in range(count):
        struct.pack_into("<Q", data, at, number)
        path.write_bytes(data)
        with pytest.raises(IndexDamagedError, match="do not fit together"):
            # LMDB would take the meta page with the higher number.
            audit_snapshot(path, max(meta.transaction for meta in read_meta_pages(path)))


def test_a_newer_commit_is_told_apart(tmp_path: Path) -> None:
    commits(tmp_path, 5)
    path = tmp_path / "data.mdb"
    assert audit_snapshot(path, 5)
    assert audit_snapshot(path, 4)
    assert not audit_snapshot(path, 3)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(IndexDamagedError, match="cannot be read"):
        read_meta_pages(tmp_path / "data.mdb")


def test_free_pages_that_were_never_written_are_no_damage(tmp_path: Path) -> None:
    """LMDB does not write what one commit takes and gives back, though it counts it."""
    path = tmp_path / "data.mdb"
    commits(tmp_path, 3)
    with lmdb.open(str(tmp_path)) as opened:
        with opened.begin(write=True) as transaction:
            transaction.put(b"kept", b"1" * 20_000)
            transaction.put(b"given back", b"2" * 200_000)
            transaction.delete(b"given back")
        newest = max(read_meta_pages(path), key=lambda meta: meta.transaction)
        assert path.stat().st_size < (newest.last_page + 1) * newest.page_size
        assert audit_snapshot(path, newest.transaction)
        # They are used like other free pages.
        with opened.begin(write=True) as transaction:
            transaction.put(b"next", b"3" * 100_000)
        assert audit_snapshot(path, newest.transaction + 1)
        with opened.begin() as transaction:
            assert transaction.get(b"kept") == b"1" * 20_000
            assert transaction.get(b"next") == b"3" * 100_000
    whole = path.read_bytes()
    path.write_bytes(whole[:40_000])
    with pytest.raises(IndexDamagedError, match="is truncated: it has 40000 bytes"):
        audit_snapshot(path, newest.transaction + 1)


@pytest.mark.parametrize("last_page", [1 << 10, 1 << 40, 1 << 60])
def test_a_wrong_last_page_is_damage(tmp_path: Path, last_page: int) -> None:
    data = commits(tmp_path, 4)
    path = tmp_path / "data.mdb"
    struct.pack_into("<Q", data, 136, last_page)
    path.write_bytes(data)
    with pytest.raises(IndexDamagedError, match="is truncated"):
        audit_snapshot(path, 4)
