"""The first few of many ids, for people."""

from __future__ import annotations

from collections.abc import Sequence

_SHOWN = 10
_LONGEST = 100  # characters of an id


def shown_ids(ids: Sequence[str]) -> str:
    """Return such as `'BED-001', 'BED-002', and 3 more`."""
    more = f", and {len(ids) - _SHOWN:,} more" if len(ids) > _SHOWN else ""
    return ", ".join(repr(one[:_LONGEST]) for one in ids[:_SHOWN]) + more
