"""What a run reports while it goes on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from training.dev_set import DevFigures


@dataclass(frozen=True)
class Progress:
    """How a run is doing.

    Attributes:
        step: steps done.
        steps: steps in all.
        losses: means since the last report, each before its weight.
        zero_share: share of queries that scored 0 on their own document.
        steps_per_second: since the last report.
        dev: figures, where the model was measured after this step.
        best: whether these are the best so far.
    """

    step: int
    steps: int
    losses: Mapping[str, float]
    zero_share: float
    steps_per_second: float
    dev: DevFigures | None = None
    best: bool = False

    def row(self) -> dict[str, float]:
        """Return the figures for the learning curve."""
        row: dict[str, float] = {"step": self.step, **self.losses}
        if self.losses:
            row["zero_share"] = self.zero_share
        if self.dev is not None:
            row["ndcg mean"] = self.dev.ndcg
            for name, value in self.dev.by_collection.items():
                row[f"ndcg {name}"] = value
                row[f"active {name}"] = self.dev.active_dims[name]
        return row


class Window:
    """Collects the figures of the steps since the last report.

    Attributes:
        steps: steps in it.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin again."""
        self.steps = 0
        self._batches = 0
        self._sums: dict[str, float] = {}
        self._zero = 0.0
        self._begun = time.monotonic()

    def add(self, losses: Mapping[str, float], zero_share: float) -> None:
        """Add the figures of a batch."""
        self._batches += 1
        self._zero += zero_share
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    def progress(self, step: int, steps: int) -> Progress:
        """Return the means of what was added."""
        batches = max(1, self._batches)
        means = {name: value / batches for name, value in self._sums.items()}
        rate = self.steps / max(1e-9, time.monotonic() - self._begun)
        return Progress(step, steps, means, self._zero / batches, rate)
