"""The page format of LMDB 0.9 (data version 1), as documented in its `mdb.c`."""

from typing import Final

MAGIC: Final = 0xBEEFC0DE
DATA_VERSION: Final = 1
META_PAGES: Final = 2
NO_PAGE: Final = 0xFFFF_FFFF_FFFF_FFFF

# A page: its number (8 bytes), 2 unused, flags (2), then what depends on its kind (4).
PAGE_HEADER: Final = 16
BRANCH, LEAF, OVERFLOW, META = 0x01, 0x02, 0x04, 0x08
# Flags of a tree, and of a node whose value has pages of its own.
INTEGER_KEY: Final = 0x08
BIG_DATA: Final = 0x01
MAX_KEY: Final = 511


def large_value_pages(size: int, page_size: int) -> int:
    """Pages of a value that does not fit a tree page; it begins after one header."""
    return (PAGE_HEADER - 1 + size) // page_size + 1
