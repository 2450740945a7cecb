"""Plots of results, as PNG files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl

from benchmarks.results import Record, Results

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

Point = tuple[float, float]
_COLORS = {
    "sabana": "#d62728",
    "sabana-rho": "#ff7f0e",
    "splade-index": "#1f77b4",
    "seismic": "#2ca02c",
    "bmp": "#9467bd",
    "pisa": "#8c564b",
    "impact-index": "#e377c2",
    "bm25s": "#17becf",
    "qdrant-edge": "#bcbd22",
    "scipy": "#7f7f7f",
}


def draw_all(results: Results, folder: Path) -> list[tuple[str, Path]]:
    """Draw every plot that the results suffice for.

    Returns:
        (title, file) of each.
    """
    drawn = []
    for title, name, draw in (
        ("Latency by number of documents", "latency-by-documents.png", _latency_by_documents),
        ("Cost by number of documents", "cost-by-documents.png", _cost_by_documents),
        ("Latency by length of the query", "latency-by-query-length.png", _latency_by_length),
        ("Latency on real vectors", "latency-real.png", _latency_real),
    ):
        path = folder / name
        if draw(results, path):
            drawn.append((title, path))
        plt.close("all")
    return drawn


def _curves(results: Results, read: Callable[[Record], float | None]) -> dict[str, list[Point]]:
    """One figure of each record by documents, over collections of the usual width."""
    curves: dict[str, list[Point]] = {}
    for name in _usual(results):
        for record in results.records(name):
            if "skipped" not in record and (value := read(record)) is not None:
                point = (float(record["collection"]["documents"]), value)
                curves.setdefault(record["engine"], []).append(point)
    return curves


def _usual(results: Results) -> Iterator[str]:
    return (name for name in results.collections() if name.startswith("s"))


def _latency_by_documents(results: Results, path: Path) -> bool:
    sets = [
        name
        for name in ("q6", "q40")
        if max(map(len, _label_curves(results, name).values()), default=0) > 1
    ]
    if not sets:
        return False
    figure, axes = plt.subplots(1, len(sets), figsize=(6 * len(sets), 4.5), squeeze=False)
    for axis, query_set in zip(axes[0], sets, strict=True):
        _lines(axis, _label_curves(results, query_set))
        axis.set_title(f"queries of about {query_set[1:]} terms")
        _label(axis, "documents", "p50, milliseconds")
    _save(figure, path)
    return True


def _label_curves(results: Results, query_set: str) -> dict[str, list[Point]]:
    curves: dict[str, list[Point]] = {}
    for name in _usual(results):
        for label, record, figures in results.rows(name, query_set):
            point = (float(record["collection"]["documents"]), figures["p50_us"] / 1e3)
            curves.setdefault(label, []).append(point)
    return curves


def _cost_by_documents(results: Results, path: Path) -> bool:
    panels: tuple[tuple[str, Callable[[Record], float | None]], ...] = (
        ("build, seconds", lambda record: record["build"]["build_s"]),
        ("disk, MB", lambda record: record["build"]["disk_bytes"] / 1e6),
        ("memory added, MB", _memory),
    )
    if not _curves(results, panels[0][1]):
        return False
    figure, axes = plt.subplots(1, 3, figsize=(15, 4.5))
    for axis, (title, read) in zip(axes, panels, strict=True):
        _lines(axis, _curves(results, read))
        _label(axis, "documents", title)
    _save(figure, path)
    return True


def _memory(record: Record) -> float | None:
    added = record["load"].get("added")
    return None if added is None else max(1e-2, sum(added.values()) / 1e6)


def _latency_by_length(results: Results, path: Path) -> bool:
    best: tuple[int, str] | None = None
    for name in _usual(results):
        lengths = len([one for one in results.query_sets(name) if one.startswith("q")])
        if lengths > 1 and (best is None or lengths >= best[0]):
            best = (lengths, name)
    if best is None:
        return False
    curves: dict[str, list[Point]] = {}
    for query_set in results.query_sets(best[1]):
        for label, record, figures in results.rows(best[1], query_set):
            terms = float(record["queries"][query_set]["terms"])
            curves.setdefault(label, []).append((terms, figures["p50_us"] / 1e3))
    figure, axis = plt.subplots(figsize=(7, 4.5))
    _lines(axis, {label: sorted(points) for label, points in curves.items()})
    axis.set_title(best[1])
    _label(axis, "terms a query", "p50, milliseconds")
    _save(figure, path)
    return True


def _latency_real(results: Results, path: Path) -> bool:
    sets = results.query_sets("real")
    if not sets:
        return False
    labels: dict[str, None] = {}
    for query_set in sets:
        labels |= dict.fromkeys(label for label, _, _ in results.rows("real", query_set))
    figure, axis = plt.subplots(figsize=(10, 4.5))
    width = 0.8 / max(1, len(labels))
    for at, label in enumerate(labels):
        found = [results.figures("real", query_set, label) for query_set in sets]
        axis.bar(
            [place + at * width for place, one in enumerate(found) if one],
            [one["p50_us"] / 1e3 for one in found if one],
            width,
            label=label,
            color=_color(label),
        )
    axis.set_xticks([place + 0.4 - width / 2 for place in range(len(sets))], sets)
    axis.set_yscale("log")
    axis.set_ylabel("p50, milliseconds")
    axis.legend(fontsize=8)
    _save(figure, path)
    return True


def _lines(axis: Axes, curves: dict[str, list[Point]]) -> None:
    for label, points in curves.items():
        abscissas, ordinates = zip(*points, strict=True)
        style = "--" if label.endswith("0.999") else "-"
        width = 2.5 if label == "sabana" else 1.2
        axis.plot(
            abscissas, ordinates, style, marker="o", ms=4, lw=width, label=label,
            color=_color(label),
        )  # fmt: skip


def _label(axis: Axes, abscissa: str, ordinate: str) -> None:
    axis.set_xscale("log")
    axis.set_yscale("log")
    for one in (axis.xaxis, axis.yaxis):
        one.set_major_formatter(FuncFormatter(_short))
        one.set_minor_formatter(NullFormatter())
    axis.set_xlabel(abscissa)
    axis.set_ylabel(ordinate)
    axis.grid(True, which="both", alpha=0.2)
    axis.legend(fontsize=8)


def _short(value: float, position: int) -> str:
    """100k for 100,000, and small numbers as people write them."""
    for unit, letter in ((1e6, "m"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{letter}"
    return f"{value:g}"


def _color(label: str) -> str | None:
    return _COLORS.get(label.split(" ")[0])


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, dpi=110)
