"""`engine bench`, in processes of its own."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from engine import SearchEngine
from engine.cli.bench_measurement import Measured, Workload
from engine.cli.bench_plot import draw
from engine.cli.bench_report import milliseconds, print_report
from engine.stage_times import StageTimes
from engine.usable_cpus import usable_cpus
from indexer.vector_index import write_index
from tests.engine.cli.commands import Outcome, engine

Serving = Callable[..., Outcome]
STAGES = ["tokenize", "look_up", "score", "fetch", "decode", "rest"]


@pytest.fixture
def queries(tmp_path: Path) -> Path:
    path = tmp_path / "queries.txt"
    path.write_text("queen sheet\nsábana\n\nphone\nqueen sheet\n🦄🦄\n", encoding="utf-8")
    return path


def test_figures_for_programs(shop: Path, queries: Path, serving: Serving) -> None:
    options = ("--queries", queries, "--threads", "99999", "--rounds", "3", "--json")
    found = serving("bench", *options, cwd=shop).json
    assert list(found) == [
        *("index", "documents", "origin", "queries", "without_hits", "k", "rounds", "rho"),
        *("recall", "latency_ms", "slowest_query", "queries_a_second", "stages_ms", "histogram"),
        "software",
    ]
    assert (found["documents"], found["queries"], found["without_hits"]) == (10, 5, 1)
    assert (found["k"], found["rounds"], found["rho"], found["recall"]) == (10, 3, None, 1.0)
    assert found["origin"] == f"of {queries}"
    latency = found["latency_ms"]
    assert list(latency) == ["p50", "p95", "p99", "mean", "slowest"]
    assert 0 < latency["p50"] <= latency["p95"] <= latency["p99"] <= latency["slowest"]
    assert found["slowest_query"] in ("queen sheet", "sábana", "phone", "🦄🦄")
    # No more threads than there are CPUs, and no more are told of.
    batches = ["in batches, 1 thread", f"in batches, {usable_cpus()} threads"]
    expected = ["one by one", *batches[: usable_cpus()]]
    assert list(found["queries_a_second"]) == expected
    assert min(found["queries_a_second"].values()) > 0
    assert list(found["stages_ms"]) == STAGES == list(StageTimes.__slots__)
    assert min(found["stages_ms"].values()) > 0
    assert sum(bin["queries"] for bin in found["histogram"]) == 5
    assert found["histogram"][0]["from_ms"] > 0
    assert found["histogram"][-1]["to_ms"] == latency["slowest"]


def test_a_budget_is_measured_with_what_it_loses(
    shop: Path, queries: Path, serving: Serving
) -> None:
    queries.write_text("queen phone hose sheet\nwhite red cotton case cup\n", encoding="utf-8")
    options = ("--queries", queries, "--threads", "1", "--rounds", "1")
    everything = serving("bench", *options, "--rho", "1.0", "--json", cwd=shop).json
    assert (everything["rho"], everything["recall"]) == (1.0, 1.0)
    one = serving("bench", *options, "--rho", "1", "--json", cwd=shop).json
    assert one["rho"] == 1
    assert 0 <= one["recall"] < 1, "one posting cannot find all hits of two queries"
    assert "of the exact hits are found" in serving("bench", *options, "--rho", "1", cwd=shop).out


def test_figures_for_people(shop: Path, queries: Path, serving: Serving) -> None:
    options = ("--queries", queries, "--k", "3", "--threads", "1", "--rounds", "1")
    done = serving("bench", *options, cwd=shop, env={"COLUMNS": "200"})
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == "engine.index  10 documents"
    assert lines[1].startswith(f"5 queries of {queries}, k 3; 1 round after one to warm up")
    assert lines[2] == "1 of them found nothing"
    titles = [line for line, before in zip(lines[1:], lines, strict=False) if not before]
    assert titles == [
        "Latency of a query, from its text to its documents",
        "Queries a second",
        "Where the time goes, in the mean",
        "Queries by latency",
    ]
    names = [line.split("  ")[0] for line in lines]
    for name in ("p50", "p95", "p99", "mean", "slowest", "one by one", "in batches, 1 thread"):
        assert name in names
    for name in ("tokenize", "score: accumulate and select", "everything else"):
        assert name in names
    assert not any("2 threads" in line for line in lines)
    bars = lines[lines.index("Queries by latency") + 1 :]
    assert sum(int(re.split(" {2,}", line)[1]) for line in bars) == 5
    assert max(line.count("#") for line in bars) == 40


def test_queries_drawn_from_the_index(shop: Path, serving: Serving) -> None:
    options = ("--rounds", "1", "--json")
    first, second = (serving("bench", *options, cwd=shop).json for _ in range(2))
    assert first["origin"] == "drawn from titles of the index"
    assert 5 < first["queries"] == second["queries"] <= 10
    assert first["without_hits"] == 0
    shown = serving("bench", "--rounds", "1", cwd=shop).out
    assert "queries drawn from titles of the index, k 10" in shown


def test_queries_from_standard_input(shop: Path, serving: Serving) -> None:
    given = gzip.compress(b"queen\n")
    stdin = serving("bench", "--queries", "-", "--rounds", "1", "--json", cwd=shop, stdin=b"queen")
    assert (stdin.json["queries"], stdin.json["origin"]) == (1, "of standard input")
    serving("bench", "--queries", "-", cwd=shop, stdin=given).fails(1, "standard input:1")
    serving("bench", "--queries", "-", cwd=shop).fails(1, "standard input holds no queries")


def test_queries_that_cannot_be_had(shop: Path, tmp_path: Path, serving: Serving) -> None:
    file = tmp_path / "queries"
    serving("bench", "--queries", file, cwd=shop).fails(2, str(file), "No such file")
    serving("bench", "--queries", tmp_path, cwd=shop).fails(2, str(tmp_path), "directory")
    file.write_text("\n \n")
    beneath = file / "queries"
    serving("bench", "--queries", beneath, cwd=shop).fails(2, str(beneath), "ot a directory")
    serving("bench", "--queries", file, cwd=shop).fails(1, "holds no queries")
    file.write_text('{"text": "queen"}\n{"title": "queen"}\n')
    serving("bench", "--queries", file, cwd=shop).fails(1, f"{file}:2", "no field text or query")


def test_wrong_usage(shop: Path, tmp_path: Path, serving: Serving) -> None:
    for option in ("-k", "--threads", "--rounds"):
        serving("bench", option, "0", cwd=shop).fails(2, option)
    serving("bench", "--index", "nowhere", cwd=tmp_path).fails(2, "nowhere", "engine index")


def test_an_index_that_no_query_can_be_drawn_from(tmp_path: Path, serving: Serving) -> None:
    write_index(tmp_path / "engine.index", csr_matrix(np.eye(3, dtype=np.float32)), list("abc"))
    serving("bench", cwd=tmp_path).fails(1, "engine.index", "--queries")
    with SearchEngine.open(tmp_path / "engine.index") as opened:
        assert len(opened) == 3
    (tmp_path / "queries").write_text("queen\n")
    serving("bench", "--queries", "queries", cwd=tmp_path).fails(2, "without a model")


def test_a_picture(shop: Path, queries: Path, tmp_path: Path, serving: Serving) -> None:
    picture = tmp_path / "latency.png"
    options = ("--queries", queries, "--rounds", "1", "--plot")
    done = serving("bench", *options, picture, cwd=shop)
    assert done.code == 0, done.err
    assert picture.read_bytes().startswith(b"\x89PNG")
    serving("bench", *options, tmp_path, cwd=shop).fails(2, "is a folder")
    serving("bench", *options, tmp_path / "no" / "such.png", cwd=shop).fails(2, "cannot be written")
    assert not (tmp_path / "no").exists()


def test_a_picture_without_matplotlib(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "matplotlib.py").write_text("raise ModuleNotFoundError(name='matplotlib')")
    outcome = engine(
        "bench", "--plot", tmp_path / "x.png", cwd=shop, env={"PYTHONPATH": str(tmp_path)}
    )
    outcome.fails(1, "matplotlib", 'pip install "sabana-search[training]"')
    assert not (tmp_path / "x.png").exists()


def measured(latencies: list[float]) -> Measured:
    workload = Workload([f"query {at}" for at in range(len(latencies))], 10, 1, 1)
    stages = dict.fromkeys(STAGES, 0.1)
    return Measured(workload, np.array(latencies), stages, {"one by one": 1.0}, 0)


def test_percentiles_and_the_slowest() -> None:
    found = measured([0.1 * at for at in range(1, 102)])
    assert found.percentiles == pytest.approx({"p50": 5.1, "p95": 9.6, "p99": 10.0, "mean": 5.1})
    assert found.slowest[0] == "query 100"
    assert found.slowest[1] == pytest.approx(10.1)


@given(
    st.floats(1e-4, 1e5),
    st.lists(st.floats(1.0, 1.0 + 1e-14) | st.floats(1e-3, 1e5), max_size=30),
)
def test_histograms_hold_every_query(latency: float, factors: list[float]) -> None:
    latencies = [latency, *(latency * factor for factor in factors)]
    bins = list(measured(latencies).histogram())
    assert sum(number for _, _, number in bins) == len(latencies)
    assert bins[0][0] == min(latencies)
    assert bins[-1][1] == max(latencies)
    assert all(low <= high for low, high, _ in bins)


@pytest.mark.parametrize("latencies", [[0.5], [0.5, 0.5], [0.1, 0.7], [1e-4, 3.0, 3.0, 2e4]])
def test_whatever_was_measured_can_be_shown(
    latencies: list[float], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = measured(latencies)
    draw(tmp_path / "x.png", "title", found)
    assert json.loads(json.dumps(found.to_dict()))["queries"] == len(latencies)
    print_report("x", 1, "of y", found)
    assert "slowest" in capsys.readouterr().out


def test_milliseconds_show_three_digits_that_matter() -> None:
    values = [0.01234, 0.1234, 1.234, 12.34, 123.4, 12345.6]
    assert [milliseconds(value) for value in values] == [
        *("0.0123 ms", "0.123 ms", "1.23 ms", "12.3 ms", "123 ms", "12,346 ms")
    ]
