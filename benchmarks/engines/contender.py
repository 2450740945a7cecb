"""What an engine must be able to do to be compared."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from benchmarks.collections import CsrRows, Query

Hits = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]
Setting = dict[str, Any]


class Contender(ABC):
    """An engine under test. It lives in a process of its own and uses one thread unless told.

    Modules of contenders import their engine inside methods, so that all can be listed where only
    some are installed.

    Attributes:
        name: what reports call it.
        package: the distribution whose version counts, or None for this project.
        modules: what must be importable.
        recall_targets: an approximate engine is measured at each of these recalls, at the cheapest
            of its `settings` that reaches it; an exact engine has none.
        needs_static_weights: it can answer only queries with the weights of `static_weights`.
    """

    name: ClassVar[str]
    package: ClassVar[str | None] = None
    modules: ClassVar[tuple[str, ...]] = ()
    recall_targets: ClassVar[tuple[float, ...]] = ()
    needs_static_weights: ClassVar[bool] = False

    # (V,) the weight of a term in any query; for engines that fold it into documents.
    static_weights: npt.NDArray[np.float64]

    @classmethod
    def missing(cls) -> str | None:
        """Why this engine cannot be measured here, or None when it can."""
        for module in cls.modules:
            if importlib.util.find_spec(module) is None:
                return f"{module} is not installed: pip install -r benchmarks/requirements.txt"
        return None

    @classmethod
    def version(cls) -> str:
        """Version of the engine."""
        return importlib.metadata.version(cls.package or "sabana-search")

    @abstractmethod
    def build(self, rows: CsrRows, vocabulary_size: int, folder: Path) -> None:
        """Index document vectors and write the index into `folder`, which exists and is empty."""

    @abstractmethod
    def load(self, folder: Path) -> None:
        """Make ready to search what `build` wrote."""

    def convert(self, query: Query) -> Any:
        """Put a query into the engine's own form. Not timed: a user would have it in that form."""
        return query

    @abstractmethod
    def search(self, query: Any, k: int) -> Hits:
        """Find the best `k` documents, (documents, scores), best first. This call is timed.

        Args:
            query: what `convert` returned.
            k: how many.
        """

    @abstractmethod
    def score_error(self, query: Query) -> float:
        """How far a score may be from the exact one, by the engine's number format.

        Called after `load`.
        """

    def settings(self) -> Sequence[Setting]:
        """Ways to search from the cheapest to the dearest, of an engine with recall targets."""
        return [{}]

    def use(self, setting: Setting) -> None:  # noqa: B027 - an exact engine has nothing to set
        """Search this way from now on."""

    def search_batch(self, queries: Sequence[Any], k: int, threads: int) -> Sequence[Hits]:
        """Find the best `k` documents of each query. This call is timed.

        An engine without batches of its own answers one query after another, on each thread.
        """
        if threads == 1:
            return [self.search(query, k) for query in queries]
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(lambda query: self.search(query, k), queries))
