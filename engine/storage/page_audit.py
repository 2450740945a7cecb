"""An audit of LMDB's own pages, done before anything is read through the memory map.

LMDB trusts its pages. A truncated file kills the process with SIGBUS, and a flipped byte in a tree
page can send it anywhere in memory. The trees of an index are small (a few dozen keys a segment;
the bulk is in overflow pages), so both trees of a snapshot, data and free list, are walked here
with ordinary reads and every structural claim is checked. What the pages contain is checked by the
envelopes. The page layout is that of LMDB 0.9 (data version 1), as documented in its `mdb.c`.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.errors import IndexDamagedError
from engine.storage.page_format import (
    BIG_DATA,
    BRANCH,
    DATA_VERSION,
    INTEGER_KEY,
    LEAF,
    MAGIC,
    MAX_KEY,
    META,
    NO_PAGE,
    OVERFLOW,
    PAGE_HEADER,
    large_value_pages,
)

_MAX_DEPTH = 32


@dataclass(frozen=True, slots=True)
class TreeRoot:
    """What a meta page says of one B-tree."""

    flags: int
    depth: int
    entries: int
    root: int


@dataclass(frozen=True, slots=True)
class MetaPage:
    """One of the two meta pages; the one with the higher transaction number is the snapshot."""

    page_size: int
    free: TreeRoot
    main: TreeRoot
    last_page: int
    transaction: int


def read_meta_pages(path: Path, descriptor: int | None = None) -> tuple[MetaPage, MetaPage]:
    """Read and check both meta pages of `data.mdb`.

    Whether the file holds the pages that are in use is for `audit_snapshot` to say: where a commit
    needs less than it first took, LMDB counts the free pages at the end and does not write them.

    Args:
        path: the file, for messages.
        descriptor: the file as it is open already; None to open it by its path.

    Raises:
        IndexDamagedError: a meta page is damaged.
    """
    if descriptor is None:
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise IndexDamagedError(f"{path}: cannot be read ({error.strerror})") from error
        try:
            return read_meta_pages(path, descriptor)
        finally:
            os.close(descriptor)
    # A writer may replace the older meta page between the two reads: read until both agree.
    for _ in range(100):
        first = _read_meta(path, descriptor, 0, None)
        second = _read_meta(path, descriptor, 1, first.page_size)
        if _consecutive(first, second):
            break
    else:
        raise IndexDamagedError(f"{path} is damaged: its two meta pages do not fit together")
    return first, second


def audit_snapshot(path: Path, transaction: int, descriptor: int | None = None) -> bool:
    """Check every tree page of the snapshot with the given LMDB transaction number.

    Call it inside a read transaction, which keeps the pages from being reused meanwhile, and with
    a descriptor of the very file that is mapped: by its path, another may have taken its place.

    Returns:
        False when newer commits have replaced the meta page of this snapshot already: begin a
        newer read transaction and ask again.

    Raises:
        IndexDamagedError: a page is not what LMDB wrote.
    """
    if descriptor is None:
        with path.open("rb") as file:
            return audit_snapshot(path, transaction, file.fileno())
    first, second = read_meta_pages(path, descriptor)
    if transaction not in (first.transaction, second.transaction):
        return False
    meta, other = (first, second) if first.transaction == transaction else (second, first)
    if transaction == 0:
        return True
    walk = _TreeWalk(path, descriptor, meta)
    walk.run()
    # A commit frees the root of the one before it. Where it did not, the other meta page is not
    # of the commit before, and a wrong transaction number makes an old commit look like the last.
    if 0 < other.transaction < transaction and other.main.root not in walk.freed_last:
        raise IndexDamagedError(
            f"{path} is damaged: its two meta pages do not fit together; restore it from a backup "
            "or index again"
        )
    return True


def _consecutive(first: MetaPage, second: MetaPage) -> bool:
    for meta in (first, second):
        if (meta.transaction == 0) != (meta.main.root == NO_PAGE):
            return False
    if first.transaction == second.transaction == 0:
        return True
    # Transaction n is written to meta page n modulo 2, so the two are always neighbours.
    return (
        abs(first.transaction - second.transaction) == 1
        and first.transaction % 2 == 0
        and second.transaction % 2 == 1
    )


def _read_meta(path: Path, descriptor: int, number: int, page_size: int | None) -> MetaPage:
    page = os.pread(descriptor, 152, number * (page_size or 0))
    where = f"{path} is damaged: meta page {number}"
    if len(page) < 152:
        raise IndexDamagedError(
            f"{path} is truncated: it has no meta page {number}; restore it from a backup, or "
            "index again with --rebuild --model NAME"
        )
    own_number, _, flags = struct.unpack_from("<QHH", page, 0)
    magic, version, address, _map_size = struct.unpack_from("<IIQQ", page, 16)
    if magic != MAGIC or version != DATA_VERSION or flags != META or own_number != number:
        raise IndexDamagedError(f"{where} is not one that LMDB wrote")
    size, free = _tree_root(page, 40)
    _, main = _tree_root(page, 88)
    last_page, transaction = struct.unpack_from("<QQ", page, 136)
    sane_size = 512 <= size <= 65536 and size & (size - 1) == 0
    if not sane_size or page_size not in (None, size) or address:
        raise IndexDamagedError(f"{where} holds an impossible page size or address")
    if free.flags != INTEGER_KEY or main.flags != 0 or last_page < 1:
        raise IndexDamagedError(f"{where} holds impossible flags")
    return MetaPage(size, free, main, last_page, transaction)


def _tree_root(page: bytes, at: int) -> tuple[int, TreeRoot]:
    pad, flags, depth, _branch, _leaf, _overflow, entries, root = struct.unpack_from(
        "<IHHQQQQQ", page, at
    )
    return pad, TreeRoot(flags, depth, entries, root)


class _TreeWalk:
    """Walks both trees of one snapshot; every page may be claimed once.

    Attributes:
        freed_last: after `run`, the pages that the commit of this snapshot freed.
    """

    def __init__(self, path: Path, descriptor: int, meta: MetaPage) -> None:
        self._path = path
        self._descriptor = descriptor
        self._meta = meta
        # As many as the file has: a wrong number of the last page shall not take all memory.
        self._size = os.fstat(descriptor).st_size
        self._claimed = bytearray(min(meta.last_page + 1, self._size // meta.page_size))
        # Pages behind the end of the file that are free, see `read_meta_pages`.
        self._never_written: set[int] = set()
        self._claimed[:2] = b"\x01\x01"
        self.freed_last: frozenset[int] = frozenset()

    def run(self) -> None:
        entries = sum(1 for _ in self._walk(self._meta.main))
        if entries != self._meta.main.entries:
            raise self._damage(self._meta.main.root, "the tree has lost entries")
        entries = 0
        for key, value in self._walk(self._meta.free):
            entries += 1
            self._check_free_list(key, value)
        if entries != self._meta.free.entries:
            raise self._damage(self._meta.free.root, "the free list has lost entries")
        if len(self._claimed) + len(self._never_written) <= self._meta.last_page:
            raise self._truncated(len(self._claimed))

    def _walk(self, tree: TreeRoot) -> Iterator[tuple[bytes, bytes | int]]:
        """Yield the key of each leaf node, with its value (its overflow page where it has one)."""
        if tree.root == NO_PAGE:
            return
        integer_keys = bool(tree.flags & INTEGER_KEY)
        previous: bytes | None = None
        if not 1 <= tree.depth <= _MAX_DEPTH:
            raise self._damage(tree.root, "impossible depth")
        stack = [(tree.root, 1)]
        while stack:
            number, depth = stack.pop()
            page = self._claim(number, 1)
            flags = struct.unpack_from("<H", page, 10)[0]
            is_leaf = depth == tree.depth
            if flags != (LEAF if is_leaf else BRANCH):
                raise self._damage(number, "wrong kind of page")
            children = []
            for index, at in enumerate(self._nodes(number, page)):
                low, high, node_flags, key_size = struct.unpack_from("<HHHH", page, at)
                key = page[at + 8 : at + 8 + key_size]
                if len(key) != key_size or key_size > MAX_KEY:
                    raise self._damage(number, "a key runs over the page")
                if not is_leaf:
                    if index and not key:
                        raise self._damage(number, "an empty key")
                    children.append((low | high << 16 | node_flags << 32, depth + 1))
                    continue
                if integer_keys and key_size != 8:
                    raise self._damage(number, "a key of the wrong size")
                order = key[::-1] if integer_keys else key
                if previous is not None and order <= previous:
                    raise self._damage(number, "keys out of order")
                previous = order
                yield key, self._leaf_value(number, page, at, low | high << 16, node_flags)
            stack.extend(reversed(children))

    def _nodes(self, number: int, page: bytes) -> list[int]:
        lower, upper = struct.unpack_from("<HH", page, 12)
        if not (PAGE_HEADER <= lower <= upper <= len(page)) or lower % 2:
            raise self._damage(number, "impossible bounds")
        offsets = list(struct.unpack_from(f"<{(lower - PAGE_HEADER) // 2}H", page, PAGE_HEADER))
        if not offsets:
            raise self._damage(number, "an empty page")
        ordered = sorted(offsets)
        if ordered[0] < upper or ordered[-1] + 8 > len(page) or len(set(ordered)) != len(ordered):
            raise self._damage(number, "a node outside the page")
        return offsets

    def _leaf_value(self, number: int, page: bytes, at: int, size: int, flags: int) -> bytes | int:
        key_size = struct.unpack_from("<H", page, at + 6)[0]
        start = at + 8 + key_size
        if flags == 0:
            if start + size > len(page):
                raise self._damage(number, "a value runs over the page")
            return page[start : start + size]
        if flags != BIG_DATA or start + 8 > len(page):
            raise self._damage(number, "a node of an unknown kind")
        first = int(struct.unpack_from("<Q", page, start)[0])
        pages = large_value_pages(size, self._meta.page_size)
        head = self._claim(first, pages)
        flags, stored = struct.unpack_from("<HI", head, 10)
        if flags != OVERFLOW or stored != pages:
            raise self._damage(first, "the head of a large value is not what was written")
        return first

    def _check_free_list(self, key: bytes, value: bytes | int) -> None:
        """Free pages may not be in use: LMDB would hand them to the next writer."""
        size = self._meta.page_size
        if isinstance(value, int):
            head = os.pread(self._descriptor, 8, value * size + PAGE_HEADER)
            count = int.from_bytes(head, "little")
            # The length was already checked against the file when the value was claimed.
            if count > self._meta.last_page:
                raise self._damage(value, "an impossible free list")
            value = os.pread(self._descriptor, 8 * (count + 1), value * size + PAGE_HEADER)
        count = int.from_bytes(value[:8], "little")
        if len(value) < 8 * (count + 1):
            raise self._damage(self._meta.free.root, "a free list runs over its value")
        previous = self._meta.last_page + 1
        pages = struct.unpack_from(f"<{count}Q", value, 8)
        if int.from_bytes(key, "little") == self._meta.transaction:
            self.freed_last = frozenset(pages)
        for page in pages:
            is_in_file = page < len(self._claimed)
            is_taken = self._claimed[page] if is_in_file else page in self._never_written
            if not 2 <= page < previous or is_taken:
                raise self._damage(self._meta.free.root, f"page {page} is both free and in use")
            if is_in_file:
                self._claimed[page] = 1
            else:
                self._never_written.add(page)
            previous = page

    def _claim(self, number: int, pages: int) -> bytes:
        """Mark pages as in use and return the first of them."""
        if not (number >= 2 and number + pages <= self._meta.last_page + 1):
            raise self._damage(number, "outside the file")
        if number + pages > len(self._claimed):
            raise self._truncated(max(number, len(self._claimed)))
        if any(self._claimed[number : number + pages]):
            raise self._damage(number, "claimed twice")
        self._claimed[number : number + pages] = b"\x01" * pages
        size = self._meta.page_size
        page = os.pread(self._descriptor, size, number * size)
        if len(page) != size or int.from_bytes(page[:8], "little") != number:
            raise self._damage(number, "not the page that was written there")
        return page

    def _truncated(self, page: int) -> IndexDamagedError:
        return IndexDamagedError(
            f"{self._path} is truncated: it has {self._size} bytes, and page {page} lies behind "
            "them; restore it from a backup"
        )

    def _damage(self, page: int, what: str) -> IndexDamagedError:
        return IndexDamagedError(
            f"{self._path} is damaged: page {page}: {what}; restore it from a backup or index again"
        )
