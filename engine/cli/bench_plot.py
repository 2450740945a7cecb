"""The picture of `engine bench`: queries by latency, and where the time goes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from engine.cli.bench_measurement import Measured
from engine.cli.bench_report import STAGE_NAMES, milliseconds
from engine.cli.extras import needs_extra
from engine.errors import EngineError, UsageError


def check_plot(path: Path) -> None:
    """Find out before anything is measured whether the picture can be drawn.

    Raises:
        MissingExtraError: matplotlib is not installed.
        UsageError: it is a folder, or there is none for the file.
        EngineError: the file cannot be written.
    """
    with needs_extra("training"):
        import matplotlib.figure  # noqa: F401
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name a file for the picture")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{path} cannot be written: name a file in a folder that is there")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise EngineError(f"{path} cannot be written; name another place for the picture")


def draw(path: Path, title: str, found: Measured) -> None:
    """Draw as PNG.

    Raises:
        EngineError: the file cannot be written.
    """
    # Figure without pyplot: no window system is asked for, and no state is kept.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter

    figure = Figure(figsize=(8, 6), layout="constrained")
    figure.suptitle(title)
    latency, stages = figure.subplots(2, 1, height_ratios=[2, 1])
    low, high = float(found.latencies.min()), float(found.latencies.max())
    latency.hist(found.latencies, bins=np.geomspace(low, max(high, low * 1.01), 61))
    latency.set_xscale("log")
    # 0.1, 0.2 and 0.5, not powers of ten.
    latency.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    latency.xaxis.set_major_formatter("{x:g}")
    latency.xaxis.set_minor_formatter(NullFormatter())
    latency.set_xlabel("milliseconds of a query, from its text to its documents")
    latency.set_ylabel("queries")
    styles = ("-", "--", ":", "-.")
    for (name, value), style in zip(found.percentiles.items(), styles, strict=True):
        label = f"{name} {milliseconds(value)}"
        latency.axvline(value, linestyle=style, color="black", label=label)
    latency.legend()
    names = [STAGE_NAMES[stage] for stage in found.stages]
    stages.barh(names, list(found.stages.values()))
    stages.invert_yaxis()
    stages.set_xlabel("milliseconds of a query, in the mean")
    try:
        FigureCanvasAgg(figure).print_figure(path, format="png", dpi=120)
    except OSError as error:
        raise EngineError(f"{path} cannot be written: {error.strerror or error}") from error
