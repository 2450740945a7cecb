"""What a measurement was taken on: a figure without it means nothing."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any


def describe_machine(*packages: str) -> dict[str, Any]:
    """CPU, load, date, and the versions of Python and of those `packages` that are installed."""
    versions = {"python": platform.python_version()}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
        "date": datetime.date.today().isoformat(),
        "versions": versions,
    }


def machine_line(machine: dict[str, Any]) -> str:
    """What `describe_machine` found, on one line for people."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (
        f"machine: {machine['cpu']}, {machine['cores']} cores, load {machine['load_average']}; "
        f"{machine['date']}; {versions}"
    )


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
