"""The engines that are compared, one a module; `CONTENDERS` has them by name."""

from __future__ import annotations

from benchmarks.engines.bm25s_baked import Bm25sBaked
from benchmarks.engines.bmp import Bmp
from benchmarks.engines.contender import Contender
from benchmarks.engines.impact_index import ImpactIndex
from benchmarks.engines.pisa import Pisa
from benchmarks.engines.qdrant_edge import QdrantEdge
from benchmarks.engines.sabana import Sabana, SabanaBudgeted
from benchmarks.engines.scipy_csc import ScipyCsc
from benchmarks.engines.seismic import Seismic
from benchmarks.engines.splade_index import SpladeIndex

CONTENDERS: dict[str, type[Contender]] = {
    kind.name: kind
    for kind in (
        Sabana,
        SabanaBudgeted,
        SpladeIndex,
        Seismic,
        Bmp,
        Pisa,
        ImpactIndex,
        Bm25sBaked,
        QdrantEdge,
        ScipyCsc,
    )
}

__all__ = ["CONTENDERS", "Contender"]
