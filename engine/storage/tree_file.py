"""Writes an LMDB data file from front to back, as a copy of an index that has no free pages.

LMDB can copy an environment too, but numbers the copy's only commit 1 whatever its manifest says,
and it must have written a file before it can be streamed. Here the values go out one by one, in
ordinary sequential writes, and the B-tree follows. The result is what LMDB 0.9 (data version 1)
would read as an environment with one commit and an empty free list; `page_audit` holds it to that.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from engine.storage.envelope import Buffer, as_bytes
from engine.storage.page_format import (
    BIG_DATA,
    BRANCH,
    DATA_VERSION,
    INTEGER_KEY,
    LEAF,
    MAGIC,
    META,
    META_PAGES,
    NO_PAGE,
    OVERFLOW,
    PAGE_HEADER,
    large_value_pages,
)

# The number of the one commit that such a file holds; its manifest must say the same.
ONLY_TRANSACTION = 1
_NODE_HEADER = 8
_POINTER = 2
_TREE_RECORD = struct.Struct("<IHHQQQQQ")
_EMPTY_TREE = _TREE_RECORD.pack(0, 0, 0, 0, 0, 0, 0, NO_PAGE)
# LMDB insists on two children in every branch page.
_FEWEST_CHILDREN = 2

Piece = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Plan:
    """Which entries go into which page, level by level from the leaves to the root."""

    levels: list[list[Piece]]
    large_pages: int

    @property
    def tree_pages(self) -> int:
        return sum(len(level) for level in self.levels)


class TreeFileWriter:
    """Writes sealed values, then the tree that leads to them.

    Args:
        file: where to write, from its beginning.
        page_size: bytes of a page, that of the machine or of the index that is copied.
        sizes: the key and the size of every value that will come, in order of their keys; needed
            where `file` cannot seek.
    """

    def __init__(
        self, file: BinaryIO, page_size: int, sizes: Sequence[tuple[bytes, int]] | None = None
    ) -> None:
        self._file = file
        self._page_size = page_size
        self._planned = sizes
        self._next_page = META_PAGES
        # Key, size of the value, and the value itself or the first of its own pages.
        self._entries: list[tuple[bytes, int, bytes | int]] = []
        if sizes is None:
            file.write(bytes(META_PAGES * page_size))
        else:
            file.write(_meta_pages(_plan(sizes, page_size), len(sizes), page_size))

    def put(self, key: bytes, value: Buffer) -> None:
        """Write a value, header included; keys may come in any order, each once."""
        data = as_bytes(value)
        if not _is_large(key, len(data), self._page_size):
            self._entries.append((key, len(data), bytes(data)))
            return
        pages = large_value_pages(len(data), self._page_size)
        self._entries.append((key, len(data), self._next_page))
        self._file.write(struct.pack("<QHHI", self._next_page, 0, OVERFLOW, pages))
        self._file.write(data)
        self._file.write(bytes(pages * self._page_size - PAGE_HEADER - len(data)))
        self._next_page += pages

    def finish(self) -> None:
        """Write the tree, and the meta page that makes the file an index."""
        self._entries.sort(key=lambda entry: entry[0])
        sizes = [(key, size) for key, size, _ in self._entries]
        if self._planned is not None and sizes != list(self._planned):
            raise AssertionError("the values are not those that were announced")
        plan = _plan(sizes, self._page_size)
        children: list[tuple[bytes, int]] = []
        for depth, level in enumerate(plan.levels):
            below, children = children, []
            for begin, end in level:
                number = self._next_page
                self._next_page += 1
                if depth == 0:
                    first, nodes, kind = self._entries[begin][0], self._leaf_nodes(begin, end), LEAF
                else:
                    first, nodes, kind = below[begin][0], _branch_nodes(below[begin:end]), BRANCH
                children.append((first, number))
                self._file.write(_tree_page(number, kind, nodes, self._page_size))
        if self._planned is None:
            self._file.seek(0)
            self._file.write(_meta_pages(plan, len(sizes), self._page_size))

    @property
    def file_bytes(self) -> int:
        """Bytes written so far."""
        return self._next_page * self._page_size

    def _leaf_nodes(self, begin: int, end: int) -> Iterator[bytes]:
        for key, size, value in self._entries[begin:end]:
            is_large = isinstance(value, int)
            head = struct.pack("<HHHH", size & 0xFFFF, size >> 16, BIG_DATA * is_large, len(key))
            yield head + key + (value.to_bytes(8, "little") if isinstance(value, int) else value)


def tree_file_bytes(sizes: Sequence[tuple[bytes, int]], page_size: int) -> int:
    """Bytes of a file that holds values of these sizes, given with their keys in order."""
    plan = _plan(sizes, page_size)
    return (META_PAGES + plan.large_pages + plan.tree_pages) * page_size


def _plan(sizes: Sequence[tuple[bytes, int]], page_size: int) -> _Plan:
    room = page_size - PAGE_HEADER
    large = [size for key, size in sizes if _is_large(key, size, page_size)]
    nodes = [
        _even(_NODE_HEADER + len(key) + (8 if _is_large(key, size, page_size) else size))
        for key, size in sizes
    ]
    levels = [_packed(nodes, room)]
    first_keys = [sizes[begin][0] for begin, _ in levels[0]]
    while len(levels[-1]) > 1:
        pieces = _packed([_even(_NODE_HEADER + len(key)) for key in first_keys], room)
        if pieces[-1][1] - pieces[-1][0] < _FEWEST_CHILDREN:
            (begin, _), (_, end) = pieces[-2:]
            pieces[-2:] = [
                (begin, end - _FEWEST_CHILDREN),
                (end - _FEWEST_CHILDREN, end),
            ]
        levels.append(pieces)
        first_keys = [first_keys[begin] for begin, _ in pieces]
    return _Plan(levels, sum(large_value_pages(size, page_size) for size in large))


def empty_tree_file(page_size: int) -> bytes:
    """The data file of an environment in which nothing was committed yet."""
    return b"".join(
        _meta_page(number, _EMPTY_TREE, META_PAGES - 1, 0, META_PAGES * page_size, page_size)
        for number in range(META_PAGES)
    )


def _meta_pages(plan: _Plan, entries: int, page_size: int) -> bytes:
    last = META_PAGES + plan.large_pages + plan.tree_pages - 1
    leaves = len(plan.levels[0])
    branches = plan.tree_pages - leaves
    # The root is the last page that is written.
    main = _TREE_RECORD.pack(
        0, 0, len(plan.levels), branches, leaves, plan.large_pages, entries, last
    )
    map_size = (last + 1) * page_size
    return _meta_page(0, _EMPTY_TREE, META_PAGES - 1, 0, map_size, page_size) + _meta_page(
        1, main, last, ONLY_TRANSACTION, map_size, page_size
    )


def _meta_page(
    number: int, main: bytes, last_page: int, transaction: int, map_size: int, page_size: int
) -> bytes:
    free = _TREE_RECORD.pack(page_size, INTEGER_KEY, 0, 0, 0, 0, 0, NO_PAGE)
    head = struct.pack("<QHHI", number, 0, META, 0)
    meta = struct.pack("<IIQQ", MAGIC, DATA_VERSION, 0, map_size)
    tail = struct.pack("<QQ", last_page, transaction)
    return (head + meta + free + main + tail).ljust(page_size, b"\0")


def _packed(sizes: Sequence[int], room: int) -> list[Piece]:
    """Runs of nodes that fit a page, with the pointer that each takes."""
    pieces = []
    begin, filled = 0, 0
    for at, size in enumerate(sizes):
        if filled + size + _POINTER > room:
            pieces.append((begin, at))
            begin, filled = at, 0
        filled += size + _POINTER
    pieces.append((begin, len(sizes)))
    return pieces


def _branch_nodes(children: Iterable[tuple[bytes, int]]) -> Iterator[bytes]:
    for at, (key, page) in enumerate(children):
        # The first child holds everything below the second key, so it needs none.
        key = key if at else b""
        words = page & 0xFFFF, page >> 16 & 0xFFFF, page >> 32
        yield struct.pack("<HHHH", *words, len(key)) + key


def _tree_page(number: int, kind: int, nodes: Iterable[bytes], page_size: int) -> bytes:
    page = bytearray(page_size)
    upper = page_size
    pointers = []
    for node in nodes:
        upper -= _even(len(node))
        page[upper : upper + len(node)] = node
        pointers.append(upper)
    lower = PAGE_HEADER + _POINTER * len(pointers)
    struct.pack_into("<QHHHH", page, 0, number, 0, kind, lower, upper)
    struct.pack_into(f"<{len(pointers)}H", page, PAGE_HEADER, *pointers)
    return bytes(page)


def _is_large(key: bytes, size: int, page_size: int) -> bool:
    """Whether LMDB gives a value pages of its own: two nodes must fit a page."""
    largest_node = ((page_size - PAGE_HEADER) // 2 & ~1) - _POINTER
    return _NODE_HEADER + len(key) + size > largest_node


def _even(size: int) -> int:
    return size + size % 2
