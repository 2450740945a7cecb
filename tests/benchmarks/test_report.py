"""The smoke report: one command, cheap engines, all parts of the page."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.report import main
from benchmarks.results import END_TO_END, Results, save_records

_ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    command = [sys.executable, "-m", "benchmarks.report", "--scale", "smoke"]
    done = subprocess.run(
        [*command, "--output", str(folder), "--quiet"],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "report.md" in done.stdout
    return folder


def test_records(output: Path) -> None:
    results = Results(output / "results")
    assert results.collections() == ["s500", "s5k"]
    assert results.query_sets("s5k") == ["q6", "q40"]
    for name in results.collections():
        for engine in ("sabana", "scipy"):
            record = results.record(name, engine)
            assert record is not None
            assert record["collection"]["csr_bytes"] > 0
            assert record["build"]["disk_bytes"] > 0
            assert record["first_answer_s"]["median"] > 0
            figures = record["results"]["q6"][engine]
            assert figures["recall"] == 1.0
            assert figures["p50_us"] <= figures["p95_us"] <= figures["p99_us"]
            assert figures["batch_qps"]["1"] > 0
            assert set(figures["beside"]) == {"sabana", "scipy"}


def test_page_and_plots(output: Path) -> None:
    page = (output / "report.md").read_text()
    for heading in ("## Targets", "## s500", "### s5k q40", "## Latency by number of documents"):
        assert heading in page
    assert "Times preempted in the measured rounds: sabana " in page
    assert "benchmarks.report --scale smoke" in page
    assert str(output) not in page
    for name in ("latency-by-documents", "cost-by-documents", "latency-by-query-length"):
        assert f"]({name}.png)" in page
        assert (output / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_page_is_written_again_from_records(output: Path, tmp_path: Path) -> None:
    (tmp_path / "results").symlink_to(output / "results")
    assert main(["--output", str(tmp_path), "--no-measuring"]) == 0
    assert (tmp_path / "report.md").read_text() == (output / "report.md").read_text()


def test_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--output", "x", "--documents", "0"])
    assert stopped.value.code == 2
    assert "--documents must be positive" in capsys.readouterr().err


def test_skipped_record_replaces_none_that_was_measured(tmp_path: Path) -> None:
    head: dict[str, Any] = {"engine": "e", "collection": {"name": "c"}}
    save_records(tmp_path, [{**head, "results": {}}], "first")
    save_records(tmp_path, [{**head, "skipped": "gone"}], "second")
    assert json.loads((tmp_path / "c" / "e.json").read_text())["command"] == "first"
    save_records(tmp_path, [{**head, "results": {}}], "third")
    assert json.loads((tmp_path / "c" / "e.json").read_text())["command"] == "third"


def test_engine_that_failed_after_its_recall_has_no_row(tmp_path: Path) -> None:
    about = {"engine": "e", "collection": {"name": "c"}, "skipped": "round failed"}
    save_records(tmp_path, [{**about, "results": {"q6": {"e": {"recall": 1.0}}}}], "command")
    assert list(Results(tmp_path).rows("c", "q6")) == []


def test_results_of_nothing(tmp_path: Path) -> None:
    results = Results(tmp_path)
    assert len(results) == 0
    assert results.collections() == []
    assert results.end_to_end is None
    (tmp_path / END_TO_END).write_text("{}")
    assert Results(tmp_path).end_to_end == {}


def test_collections_that_a_scale_lacks_are_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--scale", "smoke", "--output", str(tmp_path / "r"), "--collections", "s500", "nope"])
    assert ended.value.code == 2
    assert "no collection nope at scale smoke: s500, s5k, end-to-end" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


def test_a_report_on_nothing_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--no-measuring", "--output", str(tmp_path / "r"), "--quiet"]) == 1
    assert "nothing was measured" in capsys.readouterr().err
    assert not (tmp_path / "r" / "report.md").exists()
