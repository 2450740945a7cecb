"""Ids that a run has met, in 16 bytes each, however long they are and however many."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_RECENT = 1 << 16


class SeenIds:
    """A set of texts that is only added to; each is kept as a hash of 128 bits.

    Recent hashes are in a Python set, older ones in sorted arrays, each at least twice as long as
    the next, so that a million ids take 16 MB and there are never many arrays to look into.
    """

    def __init__(self) -> None:
        self._recent: set[bytes] = set()
        self._sorted: list[npt.NDArray[np.bytes_]] = []

    def add(self, ids: Sequence[str]) -> list[bool]:
        """Add ids; tells which were there before. Equal ids of one call do not count."""
        hashes = _hashes(ids)
        before = self._known(hashes)
        self._recent.update(one for one, known in zip(hashes, before, strict=True) if not known)
        if len(self._recent) >= _RECENT:
            self._settle()
        return before

    def known(self, ids: Sequence[str]) -> list[bool]:
        """Tell which ids were added."""
        return self._known(_hashes(ids))

    def _known(self, hashes: Sequence[bytes]) -> list[bool]:
        before = [one in self._recent for one in hashes]
        if hashes:
            wanted = np.array(hashes, "S16")
            for older in self._sorted:
                at = np.minimum(np.searchsorted(older, wanted), len(older) - 1)
                for found in np.flatnonzero(older[at] == wanted).tolist():
                    before[found] = True
        return before

    def _settle(self) -> None:
        self._sorted.append(np.sort(np.array(list(self._recent), "S16")))
        self._recent.clear()
        while len(self._sorted) > 1 and len(self._sorted[-2]) < 2 * len(self._sorted[-1]):
            last = self._sorted.pop()
            self._sorted[-1] = np.sort(np.concatenate([self._sorted[-1], last]))


def _hashes(ids: Sequence[str]) -> list[bytes]:
    return [hashlib.blake2b(one.encode(), digest_size=16).digest() for one in ids]
