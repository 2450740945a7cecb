"""What an engine must be able to do to be compared."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from benchmarks.collections import CsrRows, Query

Hits = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]


class Contender(ABC):
    """An engine under test. It lives in a process of its own and uses one thread.

    Modules of contenders import their engine inside methods, so that all can be listed where only
    some are installed.
    """

    name: ClassVar[str]

    @classmethod
    @abstractmethod
    def missing(cls) -> str | None:
        """Why this engine cannot be measured here, or None when it can."""

    @abstractmethod
    def version(self) -> str:
        """Version of the engine."""

    @abstractmethod
    def build(self, rows: CsrRows, vocabulary_size: int, folder: Path) -> None:
        """Index document vectors and write the index into `folder`, which exists and is empty."""

    @abstractmethod
    def load(self, folder: Path) -> None:
        """Make ready to search what `build` wrote."""

    @abstractmethod
    def search(self, query: Query, k: int) -> Hits:
        """Find the best `k` documents, (documents, scores), best first. This call is timed."""

    @abstractmethod
    def score_error(self, query: Query) -> float:
        """How far a score may be from the exact one, by the engine's number format.

        Called after `load`.
        """
