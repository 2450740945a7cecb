from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks.updates import main, show

_ROOT = Path(__file__).resolve().parents[2]
_SMALL = [
    *("--documents", "600", "--active-dims", "20", "--commits", "3", "--batch", "50"),
    *("--batches", "2", "--queries", "10", "--rounds", "1"),
]


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    process = subprocess.run(
        [sys.executable, "-m", "benchmarks.updates", "--json", *_SMALL],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    result: dict[str, Any] = json.loads(process.stdout)
    return result


def test_each_size_of_a_commit_is_measured(report: dict[str, Any]) -> None:
    sizes = [(one["documents_a_commit"], one["commits"]) for one in report["updates"]]
    assert sizes == [(1, 3), (100, 3), (50, 2)]
    for figures in report["updates"]:
        assert figures["documents_a_second"] > 0
        assert figures["documents_a_cpu_second"] > 0
        assert figures["latency_ratio"] > 0
        assert 0 < figures["compact_bytes"] <= figures["bytes"]


def test_compaction_gives_all_the_space_back(report: dict[str, Any]) -> None:
    assert report["compaction"]["ratio"] <= 1.05


def test_verification_is_measured(report: dict[str, Any]) -> None:
    assert report["verification"]["plain_s_a_gigabyte"] > 0
    assert report["verification"]["deep_s_a_gigabyte"] > 0


def test_the_report_for_people(report: dict[str, Any]) -> None:
    shown = io.StringIO()
    show(report, Console(file=shown, width=100))
    assert "600 documents x 20 active dimensions" in shown.getvalue()
    assert "a fresh build has" in shown.getvalue()
    assert "3 x 100" in shown.getvalue()


def test_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--rounds", "0"])
    assert "--rounds must be positive" in capsys.readouterr().err
