"""What living costs an index: updates a second, latency and bytes afterwards, and verification.

    python -m benchmarks.updates --documents 100000

Vectors are given, so nothing is encoded. Latency is that of single queries on one thread, on the
updated index and on a compacted copy of it, both open in one process, rounds alternating.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich import box
from rich.console import Console
from rich.table import Table
from scipy.sparse import csr_matrix

from benchmarks.collections import CollectionShape, Query, SyntheticCollection
from benchmarks.command_line import run
from benchmarks.machine import describe_machine, machine_line
from engine import SearchEngine, verify_index
from indexer import IndexWriter, compact

_MAX_WEIGHT = 4.0
_GIGABYTE = 1e9


@dataclass(frozen=True, slots=True)
class UpdateSetting:
    """What to measure."""

    documents: int = 100_000
    active_dimensions: int = 150
    commits: int = 100
    batch: int = 1_000
    batches: int = 10
    queries: int = 500
    rounds: int = 5
    seed: int = 0


class Shop:
    """An index, and beside it which document holds which row of the collection.

    Args:
        path: directory of the index.
        rows: all documents that there will ever be, (N, V).
        order: (document number, row) of those in the index, in the order of their last update.
    """

    def __init__(self, path: Path, rows: csr_matrix, order: dict[int, int]) -> None:
        self.path = path
        self.order = dict(order)
        self._rows = rows

    def copy(self, path: Path) -> Shop:
        """The same shop in another folder."""
        shutil.copytree(self.path, path)
        return Shop(path, self._rows, self.order)

    def build(self) -> float:
        """Write the index anew; returns seconds."""
        begun = time.perf_counter()
        with IndexWriter(
            self.path, vocabulary_size=self._rows.shape[1], max_weight=_MAX_WEIGHT
        ) as writer:
            writer.add(*self._arguments(list(self.order.items())))
        return time.perf_counter() - begun

    def update(self, changes: list[list[tuple[int, int]]]) -> tuple[float, float]:
        """Replace documents by other rows, a commit for each list.

        Returns:
            Seconds that went by, and seconds of processor time.
        """
        prepared = [self._arguments(change) for change in changes]
        with IndexWriter(self.path) as writer:
            begun, begun_busy = time.perf_counter(), time.process_time()
            for arguments in prepared:
                writer.upsert(*arguments)
                writer.commit()
            seconds = time.perf_counter() - begun, time.process_time() - begun_busy
        for change in changes:
            for number, row in change:
                self.order.pop(number, None)
                self.order[number] = row
        return seconds

    def file_bytes(self) -> int:
        """Size of the index on disk."""
        return (self.path / "data.mdb").stat().st_size

    def _arguments(
        self, pairs: list[tuple[int, int]]
    ) -> tuple[list[str], csr_matrix, list[dict[str, Any]]]:
        ids = [f"p{number}" for number, _ in pairs]
        rows = [row for _, row in pairs]
        documents = [{"title": f"a title of usual length, {row}", "price": row} for row in rows]
        return ids, self._rows[rows], documents


def measure(setting: UpdateSetting) -> dict[str, Any]:
    """Build an index, update copies of it, and compare each with a compacted copy of itself.

    Returns:
        What `--json` prints: `setting`, `machine`, `build_s`, `updates` (a list, one for each size
        of a commit), `compaction` and `verification`.
    """
    source = SyntheticCollection(CollectionShape(setting.active_dimensions, seed=setting.seed))
    sizes = {1: setting.commits, 100: setting.commits, setting.batch: setting.batches}
    most = max(size * commits for size, commits in sizes.items())
    collected = source.documents(setting.documents + most)
    shape = (collected.documents, source.shape.vocabulary_size)
    rows = csr_matrix((collected.data, collected.indices, collected.indptr), shape=shape)
    queries = source.queries(setting.queries, 6)
    random = np.random.default_rng(setting.seed)
    with tempfile.TemporaryDirectory(prefix="updates-benchmark-") as name:
        folder = Path(name)
        base = Shop(folder / "base", rows, {at: at for at in range(setting.documents)})
        build_s = base.build()
        updates = []
        for size, commits in sizes.items():
            shop = base.copy(folder / f"updated-{size}")
            changes = _changes(random, setting.documents, size, commits)
            seconds, busy = shop.update(changes)
            done = sum(map(len, changes))
            compacted = shop.copy(folder / f"compacted-{size}")
            begun = time.perf_counter()
            summary = compact(compacted.path)
            compact_s = time.perf_counter() - begun
            updates.append(
                {
                    "documents_a_commit": size,
                    "commits": commits,
                    "documents_a_second": done / seconds,
                    "commits_a_second": len(changes) / seconds,
                    "documents_a_cpu_second": done / busy,
                    "segments": summary.segments_before,
                    **_latencies(shop, compacted, queries, setting.rounds),
                    "bytes": shop.file_bytes(),
                    "compact_bytes": compacted.file_bytes(),
                    "compact_s": compact_s,
                }
            )
        fresh = Shop(folder / "fresh", rows, shop.order)
        fresh.build()
        return {
            "setting": asdict(setting),
            "machine": describe_machine("numpy", "numba", "lmdb"),
            "build_s": build_s,
            "updates": updates,
            "compaction": {
                "bytes": compacted.file_bytes(),
                "fresh_bytes": fresh.file_bytes(),
                "ratio": compacted.file_bytes() / fresh.file_bytes(),
            },
            "verification": _verification(compacted),
        }


def _changes(
    random: np.random.Generator, documents: int, size: int, commits: int
) -> list[list[tuple[int, int]]]:
    """Documents to replace, none twice in a commit, each with a row that no document had."""
    size = min(size, documents)
    return [
        [
            (number, documents + commit * size + at)
            for at, number in enumerate(random.choice(documents, size, replace=False).tolist())
        ]
        for commit in range(commits)
    ]


def _latencies(
    updated: Shop, compacted: Shop, queries: list[Query], rounds: int
) -> dict[str, float]:
    """Medians of single queries in microseconds, over rounds; and the median ratio of a round."""
    with SearchEngine.open(updated.path) as after, SearchEngine.open(compacted.path) as before:
        medians: list[list[float]] = []
        for number in range(-1, rounds):
            # Turns change hands, so that none always follows the other; the first warms caches.
            turn = -1 if number % 2 else 1
            pair = [_round(engine, queries) for engine in (after, before)[::turn]]
            if number >= 0:
                medians.append(pair[::turn])
    table: npt.NDArray[np.float64] = np.array(medians)
    updated_us, compact_us = np.median(table, axis=0).tolist()
    return {
        "p50_us": updated_us,
        "compact_p50_us": compact_us,
        "latency_ratio": float(np.median(table[:, 0] / table[:, 1])),
    }


def _round(engine: SearchEngine, queries: list[Query]) -> float:
    elapsed = []
    for terms, weights in queries:
        begun = time.perf_counter()
        engine.search_vector(terms, weights)
        elapsed.append(time.perf_counter() - begun)
    return float(np.median(elapsed)) * 1e6


def _verification(shop: Shop) -> dict[str, float]:
    """Seconds for a gigabyte, of the second of two readings: the file is in memory then.

    That is a matter of one processor, so its time is what is measured.
    """
    figures: dict[str, float] = {"bytes": shop.file_bytes()}
    for name, deep in (("plain", False), ("deep", True)):
        for _ in range(2):
            begun = time.process_time()
            report = verify_index(shop.path, deep=deep)
            seconds = time.process_time() - begun
        if not report.is_sound:
            raise RuntimeError(f"{shop.path} is damaged: {report.damages[0]}")
        figures[f"{name}_s"] = seconds
        figures[f"{name}_s_a_gigabyte"] = seconds / shop.file_bytes() * _GIGABYTE
    return figures


def show(report: dict[str, Any], console: Console) -> None:
    """Print a report as a table for people."""
    setting = report["setting"]
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
        title=f"{setting['documents']:,} documents x {setting['active_dimensions']} active "
        "dimensions",
        caption=f"one thread; medians over {setting['rounds']} interleaved rounds",
    )
    table.add_column("updates", no_wrap=True)
    for heading in (
        "docs/s",
        "docs/CPU s",
        "commits/s",
        "segments",
        "p50 µs",
        "compact",
        "ratio",
        "MB",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    for figures in report["updates"]:
        table.add_row(
            f"{figures['commits']} x {figures['documents_a_commit']:,}",
            f"{figures['documents_a_second']:,.0f}",
            f"{figures['documents_a_cpu_second']:,.0f}",
            f"{figures['segments']}",
            f"{figures['p50_us']:,.0f}",
            f"{figures['compact_p50_us']:,.0f}",
            f"{figures['latency_ratio']:.2f}",
            f"{figures['bytes'] / 1e6:,.1f}",
        )
    console.print(table)
    compaction, verification = report["compaction"], report["verification"]
    console.print(
        f"after compaction {compaction['bytes'] / 1e6:,.1f} MB, a fresh build has "
        f"{compaction['fresh_bytes'] / 1e6:,.1f} MB: [bold]{compaction['ratio']:.3f}[/bold]\n"
        f"verify {verification['plain_s_a_gigabyte']:.1f} CPU s a gigabyte, with --deep "
        f"{verification['deep_s_a_gigabyte']:.1f}",
        highlight=False,
    )
    console.print(machine_line(report["machine"]), highlight=False)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.updates",
        description="Updates a second, latency and bytes after updates, and time of verification.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    default = UpdateSetting()
    for option, field, meaning in (
        ("--documents", "documents", "documents of the collection"),
        ("--active-dims", "active_dimensions", "active dimensions a document, on average"),
        ("--commits", "commits", "commits of 1 and of 100 documents"),
        ("--batch", "batch", "documents of a large commit"),
        ("--batches", "batches", "large commits"),
        ("--queries", "queries", "queries of a round"),
        ("--rounds", "rounds", "measured rounds"),
        ("--seed", "seed", "seed of the collection"),
    ):
        parser.add_argument(
            option, dest=field, type=int, default=getattr(default, field), metavar="N", help=meaning
        )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = vars(parser.parse_args(arguments))
    as_json = options.pop("json")
    for field, value in options.items():
        if value < (0 if field == "seed" else 1):
            parser.error(f"--{field.replace('_', '-')} must be positive, not {value}")
    report = measure(UpdateSetting(**options))
    if as_json:
        json.dump(report, sys.stdout, indent=2)
        print()
    else:
        show(report, Console())
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
