from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks.kernel import main, show

# Those that need no long compilation; the others are run by `test_engines.py`.
_ENGINES = ("sabana", "sabana-rho", "scipy", "impact-index")
_ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    process = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.kernel", "--json"),
            *("--documents", "2000", "--rounds", "1", "--queries", "60", "--checked-queries", "60"),
            *("--batch-rounds", "1", "--engines", *_ENGINES),
        ],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    result: dict[str, Any] = json.loads(process.stdout)
    return result


def test_every_engine_is_measured_or_skipped_with_a_reason(report: dict[str, Any]) -> None:
    measured = {engine["name"].split(" ")[0] for engine in report["engines"]}
    skipped = {engine["name"]: engine["reason"] for engine in report["skipped"]}
    assert "sabana" in measured
    assert measured | set(skipped) == set(_ENGINES)
    assert all(skipped.values())
    assert {name.split(" ")[0] for name in report["ratios"]} == measured - {"sabana"}


def test_figures(report: dict[str, Any]) -> None:
    assert report["setting"]["documents"] == 2000
    assert report["collection"]["active_dimensions"] == pytest.approx(150, rel=0.1)
    for engine in report["engines"]:
        assert engine["recall"] == (
            1.0 if " " not in engine["name"] else pytest.approx(1, abs=0.05)
        )
        assert engine["max_score_error"] < 1e-2
        assert 0 < engine["p50_us"] <= engine["p95_us"] <= engine["p99_us"]
        assert len(engine["p50_us_by_round"]) == 1
        assert engine["disk_bytes"] > 2000 * 150
        assert engine["build_s"] > 0
        assert engine["batch_qps"]["1"] > 0
        assert engine["peak_bytes"] >= 0
    assert report["machine"]["cpu"]
    assert report["machine"]["versions"]["numpy"]


def test_table_holds_every_figure_uncut(report: dict[str, Any]) -> None:
    report = report | {"skipped": [{"name": "absent", "reason": "absent is not installed"}]}
    wide = {"p50_us": 12345.6, "p95_us": 23456.7, "p99_us": 34567.8, "disk_bytes": 1_211_641_856}
    budgeted = {**report["engines"][0], "name": "sabana-rho 0.985", **wide}
    report["engines"] = [*report["engines"], budgeted]
    report["ratios"] = {**report["ratios"], "sabana-rho 0.985": 0.0016}
    output = io.StringIO()
    show(report, Console(file=output, width=80))
    text = output.getvalue()
    assert "…" not in text
    assert "1.0000" in text
    assert "skipped absent: absent is not installed" in text


def test_cache_is_used_again(tmp_path: Path) -> None:
    arguments = ["--documents", "300", "--active-dims", "10", "--queries", "5", "--rounds", "1"]
    arguments += ["--engines", "sabana", "--cache", str(tmp_path), "--json"]
    assert main(arguments) == 0
    drawn = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert main([*arguments, "--reuse"]) == 0
    # But for the lock file of readers.
    assert (
        drawn.items()
        >= {
            path: path.stat().st_mtime_ns
            for path in tmp_path.rglob("*")
            if path.is_file() and path.name != "lock.mdb"
        }.items()
    )


def test_senseless_setting_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--rounds", "0"])
    assert stopped.value.code == 2
    assert "rounds must be positive" in capsys.readouterr().err
