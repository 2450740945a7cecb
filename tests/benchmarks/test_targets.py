from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.results import END_TO_END, Results, save_records
from benchmarks.targets import TARGETS, Verdict, verdicts

_ABOUT = {"documents": 1, "is_synthetic": True, "csr_bytes": 100_000_000}


def _record(engine: str, collection: str, results: dict[str, Any]) -> dict[str, Any]:
    return {
        "engine": engine,
        "collection": {"name": collection, **_ABOUT},
        "queries": {name: {"count": 1, "terms": 6} for name in results},
        "build": {"build_s": 15.0, "disk_bytes": 700_000_000, "peak_bytes": 250_000_000},
        "load": {"load_s": 1.0, "added": {"anonymous": 20_000_000, "file": 600_000_000}},
        "first_answer_s": {"median": 0.5 if engine == "sabana" else 8.0},
        "results": results,
    }


def _figures(p50: float, rate: float) -> dict[str, Any]:
    return {"p50_us": p50, "p99_us": 2 * p50, "batch_qps": {"1": rate, "2": 1.8 * rate}}


@pytest.fixture
def found(tmp_path: Path) -> dict[tuple[str, str], Verdict]:
    ours, peer, seismic = _figures(200, 4_000), _figures(1_000, 900), _figures(250, 8_000)
    beside = {"sabana": ours, "splade-index": peer, "seismic 0.985": seismic}
    for collection, factor in (("s100k", 5), ("s1m", 1)):
        own = {**ours, "p50_us": ours["p50_us"] / factor}
        rows = {
            "sabana": {"sabana": {**own, "beside": beside}},
            "splade-index": {"splade-index": {**peer, "beside": beside}},
            "seismic": {"seismic 0.985": {**seismic, "beside": beside}},
        }
        save_records(
            tmp_path,
            [_record(engine, collection, {"q6": one}) for engine, one in rows.items()],
            f"measure {collection}",
        )
    (tmp_path / END_TO_END).write_text(json.dumps({"ratio_to_kernel": 3.5, "command": "text"}))
    return {(one.what, one.collection): one for one in verdicts(Results(tmp_path))}


@pytest.mark.parametrize(
    ("what", "collection", "figure", "holds"),
    [
        ("q6, p50 against splade-index, exact", "s1m", 0.2, True),
        ("q6, p99 exact against Seismic's p50 at recall 0.985", "s1m", 1.6, True),
        ("q6, batch on 1 thread, exact, against Seismic's at recall 0.985", "s1m", 0.5, False),
        ("q6, batch on 2 threads against 1", "s1m", 1.8, True),
        ("process start to first answer", "s100k", 0.5, True),
        ("process start to first answer against splade-index", "s100k", 0.0625, True),
        ("disk", "s1m", 700.0, True),
        ("memory added at load and by queries", "s1m", 620.0, True),
        ("build from CSR, committed", "s1m", 15.0, True),
        ("peak memory of the build against the CSR itself", "s1m", 2.5, False),
        ("10 times the documents, p50", "s1m", 5.0, True),
    ],
)
def test_verdict(
    found: dict[tuple[str, str], Verdict], what: str, collection: str, figure: float, holds: bool
) -> None:
    verdict = found[what, collection]
    assert verdict.figure == pytest.approx(figure)
    assert verdict.holds is holds
    assert verdict.command == f"measure {collection}"


def test_end_to_end(found: dict[tuple[str, str], Verdict]) -> None:
    what = "end to end, text to documents, p50 against the kernel's own"
    verdict = found[what, "real"]
    assert (verdict.figure, verdict.holds, verdict.command) == (3.5, False, "text")


def test_what_was_not_measured_is_neither_held_nor_broken(tmp_path: Path) -> None:
    judged = list(verdicts(Results(tmp_path)))
    assert len(judged) == len(TARGETS)
    assert all(verdict.figure is None and verdict.holds is None for verdict in judged)
