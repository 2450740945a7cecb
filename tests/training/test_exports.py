"""What `training` exports, and that importing it costs nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import training
from tests.engine.cli.commands import environment


def test_every_exported_name_is_there() -> None:
    for name in training.__all__:
        assert getattr(training, name).__doc__, name
    assert set(training.__all__) <= set(dir(training))
    with pytest.raises(AttributeError, match="Nonsense"):
        training.__getattr__("Nonsense")


def test_importing_loads_no_torch() -> None:
    program = "import sys, training; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert not set(done.stdout.split()) & {"torch", "transformers", "numba", "matplotlib"}
