"""How many CPUs this process may use, which may be fewer than the machine has."""

from __future__ import annotations

import os


def usable_cpus() -> int:
    """CPUs that the system lets this process run on; all where it does not say."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
