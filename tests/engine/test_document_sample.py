"""Documents drawn at random: live ones, each at most once, the same again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from engine import SearchEngine
from engine.document_sample import sample_documents
from tests.engine.cli.small_index import COUNT, DELETED, write_small_index


def test_samples(tmp_path: Path) -> None:
    live = COUNT - DELETED
    with SearchEngine.open(write_small_index(tmp_path)) as opened:
        everything = sample_documents(opened, 1000, seed=1)
        ids = [hit.id for hit in everything]
        assert len(ids) == len(set(ids)) == live == len(opened)
        assert ids != sorted(ids)
        assert sample_documents(opened, 1000, seed=1) == everything
        assert sample_documents(opened, 7, seed=1) == everything[:7]
        assert sample_documents(opened, 0, seed=1) == []
        assert [hit.id for hit in sample_documents(opened, 1000, seed=2)] != ids
        assert all(hit.document["n"] == hit.id for hit in everything)
        firsts = Counter(sample_documents(opened, 1, seed)[0].id for seed in range(2000))
        assert len(firsts) == live
        assert max(firsts.values()) < 4 * 2000 / live
