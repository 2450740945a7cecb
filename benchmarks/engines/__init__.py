"""The engines that are compared, one a module; `CONTENDERS` has them by name."""

from __future__ import annotations

from benchmarks.engines.bm25s_baked import Bm25sBaked
from benchmarks.engines.contender import Contender
from benchmarks.engines.sabana import Sabana, SabanaBudgeted
from benchmarks.engines.scipy_csc import ScipyCsc
from benchmarks.engines.seismic import Seismic
from benchmarks.engines.splade_index import SpladeIndex

CONTENDERS: dict[str, type[Contender]] = {
    kind.name: kind for kind in (Sabana, SabanaBudgeted, SpladeIndex, Seismic, Bm25sBaked, ScipyCsc)
}

__all__ = ["CONTENDERS", "Contender"]
