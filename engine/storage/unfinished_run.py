"""Runs that began to fill an index and have not finished, so that people can be told."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

from engine.errors import IndexDamagedError


@dataclass(frozen=True, slots=True)
class UnfinishedRun:
    """A run that commits as it goes: one of these is stored with all its commits but the last.

    Attributes:
        command: `index`, `sync` or `rebuild`.
        catalogs: the catalogs as they were named.
        begun: when, ISO 8601 in UTC.
    """

    command: str
    catalogs: tuple[str, ...]
    begun: str

    def is_same(self, other: UnfinishedRun) -> bool:
        """Whether `other` is the same command again, begun at another time."""
        return (self.command, self.catalogs) == (other.command, other.catalogs)


def dump_runs(runs: tuple[UnfinishedRun, ...]) -> bytes:
    """Serialise runs for storage."""
    return json.dumps([dataclasses.asdict(run) for run in runs]).encode()


def load_runs(data: bytes, where: str) -> tuple[UnfinishedRun, ...]:
    """Read runs as `dump_runs` wrote them.

    Raises:
        IndexDamagedError: they cannot be understood.
    """
    try:
        return tuple(
            UnfinishedRun(str(run["command"]), tuple(map(str, run["catalogs"])), str(run["begun"]))
            for run in json.loads(data)
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise IndexDamagedError(
            f"{where}: the list of unfinished runs is damaged ({error})"
        ) from None
