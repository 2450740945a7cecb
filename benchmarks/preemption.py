"""How often a process had to give up its CPU: it tells a busy machine from a slow engine."""

from __future__ import annotations

from pathlib import Path

_FIELD = "nonvoluntary_ctxt_switches:"


def preemptions(process: int) -> int | None:
    """How often the main thread of a process had to make way for another until now.

    None where the system does not say; Linux does, in `/proc`.
    """
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return None
    found = [line.removeprefix(_FIELD) for line in lines if line.startswith(_FIELD)]
    return int(found[0]) if found else None
