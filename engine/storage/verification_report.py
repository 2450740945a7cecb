"""What verifying an index has found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple


class Damage(NamedTuple):
    """Something that is not what was written: which part of the index, and what is wrong."""

    part: str
    problem: str

    def __str__(self) -> str:
        return f"{self.part}: {self.problem}"


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """What was read of an index, and what of it is damaged.

    Iterating yields the damages. Where `pages` of the file are damaged nothing else was read: LMDB
    would follow them anywhere.

    Attributes:
        path: directory of the index.
        is_deep: whether contents were decoded.
        damages: what is damaged, in the order in which it was found; empty when all is well.
        bytes: of stored values that were read.
        values: how many values were read.
        segments, documents: of the manifest; live documents only.
    """

    path: str
    is_deep: bool
    damages: tuple[Damage, ...]
    bytes: int
    values: int
    segments: int
    documents: int

    @property
    def is_sound(self) -> bool:
        """Whether nothing is damaged."""
        return not self.damages

    def __iter__(self) -> Iterator[Damage]:
        return iter(self.damages)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "index": self.path,
            "sound": self.is_sound,
            "deep": self.is_deep,
            "damages": [damage._asdict() for damage in self.damages],
            "bytes": self.bytes,
            "values": self.values,
            "segments": self.segments,
            "documents": self.documents,
        }
