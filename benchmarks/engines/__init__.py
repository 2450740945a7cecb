"""The engines that are compared, one a module; `CONTENDERS` has them by name."""

from __future__ import annotations

from benchmarks.engines.contender import Contender
from benchmarks.engines.sabana import Sabana
from benchmarks.engines.splade_index import SpladeIndex

CONTENDERS: dict[str, type[Contender]] = {kind.name: kind for kind in (Sabana, SpladeIndex)}

__all__ = ["CONTENDERS", "Contender", "Sabana", "SpladeIndex"]
