"""The impacts of a query's terms in one document, for explanations."""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from engine.retrieval.parameters import ADDRESS, EXTENT, LOW_BEHIND_HIGH, STRIDE
from engine.retrieval.pointers import uint8_pointer, uint32_pointer


@njit(nogil=True, error_model="numpy")
def impacts_of(blocks, block, directory, terms, document, impacts):  # type: ignore[no-untyped-def]
    """Write the impact of each term (T,) in one document into `impacts` (T,) int64, 0 for none."""
    stride = blocks[block, STRIDE]
    for at in range(len(terms)):
        impacts[at] = 0
        address = directory[terms[at], block, ADDRESS]
        extent = directory[terms[at], block, EXTENT]
        if extent < 0:
            high = carray(uint8_pointer(address), stride)
            low = carray(uint8_pointer(address + blocks[block, LOW_BEHIND_HIGH]), stride)
            impacts[at] = np.int64(high[document]) << 8 | np.int64(low[document])
        elif extent > 0:
            for posting in carray(uint32_pointer(address), extent >> 16):
                if np.int64(posting & np.uint32(0xFFFF)) == document:
                    impacts[at] = np.int64(posting >> np.uint32(16))
                    break
