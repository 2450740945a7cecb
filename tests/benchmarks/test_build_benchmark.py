from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from benchmarks.build import main, show, write_rows
from benchmarks.collections import CollectionShape, SyntheticCollection

_ROOT = Path(__file__).resolve().parents[2]
_SMALL = [
    *("--documents", "600", "--active-dims", "20", "--threads", "2", "--rounds", "2"),
]


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    process = subprocess.run(
        [sys.executable, "-m", "benchmarks.build", "--json", *_SMALL],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    result: dict[str, Any] = json.loads(process.stdout)
    return result


def test_each_number_of_threads_is_measured(report: dict[str, Any]) -> None:
    assert [build["threads"] for build in report["builds"]] == [1, 2]
    for build in report["builds"]:
        assert len(build["rounds"]) == 2
        assert build["seconds"] > 0
        assert build["documents_a_second"] == pytest.approx(600 / build["seconds"])
        assert build["csr_bytes"] == 8 * build["postings"] + 4 * 601
        assert build["csr_bytes"] < build["before_bytes"] <= build["peak_bytes"]
        assert build["file_bytes"] > 4 * build["postings"]


def test_the_stages_are_still_where_they_are_timed(report: dict[str, Any]) -> None:
    for build in report["builds"]:
        stages = build["main_thread_s"]
        assert all(stages[name] > 0 for name in ("check ids", "check vectors", "invert"))
        assert all(stages[name] > 0 for name in ("copy and checksum values", "write and sync"))
        assert sum(stages.values()) == pytest.approx(build["seconds"], rel=0.5)


def test_the_report_for_people(report: dict[str, Any]) -> None:
    shown = io.StringIO()
    show(report, Console(file=shown, width=120))
    assert "600 documents x 20 active dimensions" in shown.getvalue()
    assert "write and sync" in shown.getvalue()


def test_rows_are_written_as_they_are(tmp_path: Path) -> None:
    source = SyntheticCollection(CollectionShape(10, vocabulary_size=500, topics=3))
    write_rows(source.chunks(5_000), tmp_path)
    expected = source.documents(5_000)
    assert np.array_equal(np.fromfile(tmp_path / "indptr", np.int64), expected.indptr)
    assert np.array_equal(np.fromfile(tmp_path / "indices", np.int32), expected.indices)
    assert np.array_equal(np.fromfile(tmp_path / "data", np.float32), expected.data)


def test_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--threads", "0"])
    assert "--threads must be positive" in capsys.readouterr().err
