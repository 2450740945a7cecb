"""The learning curve of a run, as a table and as a picture."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from training.atomic_directory import replace_file

Row = Mapping[str, float]


def write_table(path: Path, history: Sequence[Row]) -> None:
    """Write the history as CSV: a line for each report, a column for each figure.

    What was not measured at a step is left empty.
    """
    names = list(dict.fromkeys(name for row in history for name in row))

    def write(new: Path) -> None:
        with new.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, names, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(
                {name: f"{value:.6g}" for name, value in row.items()} for row in history
            )

    replace_file(path, write)


def draw(path: Path, history: Sequence[Row], title: str) -> None:
    """Draw losses, measurements and active dimensions over the steps, as a PNG."""
    # Figure without pyplot: no window system is asked for, and no state is kept.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = [
        ("loss", _series(history, lambda name: name in _LOSSES), True),
        ("nDCG@10", _series(history, lambda name: name.startswith("ndcg ")), False),
        ("active dimensions", _series(history, lambda name: name.startswith("active ")), False),
    ]
    panels = [panel for panel in panels if panel[1]]
    figure = Figure(figsize=(8, 1 + 2.6 * max(1, len(panels))), layout="constrained")
    figure.suptitle(title)
    for at, (label, series, logarithmic) in enumerate(panels, 1):
        axes = figure.add_subplot(len(panels), 1, at)
        for name, (steps, values) in series.items():
            axes.plot(steps, values, marker="." if len(steps) < 50 else "", label=name)
        if logarithmic and any(value > 0 for _, values in series.values() for value in values):
            axes.set_yscale("log")
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
        if at == len(panels):
            axes.set_xlabel("step")
    canvas = FigureCanvasAgg(figure)
    replace_file(path, lambda new: canvas.print_figure(new, format="png", dpi=120))


_LOSSES = {"ranking", "flops", "bag_of_words", "teacher", "margin_mse", "kl"}


def _series(
    history: Sequence[Row], wanted: Callable[[str], bool]
) -> dict[str, tuple[list[float], list[float]]]:
    found: dict[str, tuple[list[float], list[float]]] = {}
    for row in history:
        for name, value in row.items():
            if wanted(name):
                label = name.partition(" ")[2] or name.replace("_", " ")
                steps, values = found.setdefault(label, ([], []))
                steps.append(row["step"])
                values.append(value)
    return found
