"""One search after indexing, so that the code that searches is compiled before it is needed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.results import IndexInfo


def search_once(index_path: Path) -> IndexInfo:
    """Search the new index, so that the compiled search code is there for the next process."""
    import numpy as np

    from engine import SearchEngine

    with SearchEngine.open(index_path) as engine:
        info = engine.info()
        # Entries from all over the vocabulary: whatever the documents are, some are met.
        terms = np.unique(np.linspace(0, info.vocabulary_size - 1, 256).astype(np.int64))
        engine.search_vector(terms, np.ones(len(terms)), 1, explain=True)
    return info
