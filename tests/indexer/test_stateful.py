"""Any sequence of updates: each commit answers as exhaustive scoring of a dictionary does."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from scipy.sparse import csr_matrix

import indexer.uncommitted
from engine import SearchEngine, UsageError
from engine.storage.verification import verify_index
from indexer.compaction import compact
from indexer.index_writer import IndexWriter
from tests.engine.retrieval.exhaustive import Query, whole_scores, whole_top_k

WIDTH = 6
MAX_WEIGHT = 4.0
BLOCK = 8
WEIGHTS = st.lists(
    st.sampled_from([0.0, 0.0, 0.25, 1.0, 1.7, 3.9, 1e-9]), min_size=WIDTH, max_size=WIDTH
)
IDS = st.integers(0, 19).map(lambda at: f"id-{at}")
ADDITIONS = st.lists(st.tuples(IDS, WEIGHTS, st.integers(0, 99)), max_size=12)
QUERIES = [
    Query(np.array(terms, np.int32), np.array(weights))
    for terms, weights in (
        ([0], [1.0]),
        ([4], [0.5]),
        ([1, 3], [1.0, 2.5]),
        (list(range(WIDTH)), [1.0, 2.0, 0.5, 3.0, 1.0, 0.25]),
    )
]


class Stored(NamedTuple):
    row: tuple[float, ...]
    document: dict[str, Any]


# Documents by id, in the order in which ties are broken.
Contents = dict[str, Stored]


class IndexMachine(RuleBasedStateMachine):
    """A writer and a reader beside a model of both."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(indexer.uncommitted, "MAX_BLOCK_DOCUMENTS", BLOCK)
        self.folder = Path(tempfile.mkdtemp(prefix="stateful-"))
        self.path = self.folder / "index"
        self.working: Contents = {}
        self.committed: Contents = {}
        self.pending = 0

    @initialize()
    def begin(self) -> None:
        self.writer = IndexWriter(self.path, vocabulary_size=WIDTH, max_weight=MAX_WEIGHT)
        self.writer.commit()
        self.engine = SearchEngine.open(self.path)
        self.seen: Contents = {}

    def put(self, identifier: str, stored: Stored) -> None:
        self.working.pop(identifier, None)
        self.working[identifier] = stored
        self.pending += 1
        if self.pending == BLOCK:
            self.publish()
            self.pending = 0

    def publish(self) -> None:
        self.committed = dict(self.working)

    @rule(additions=ADDITIONS)
    def upsert(self, additions: list[tuple[str, list[float], int]]) -> None:
        self.writer.upsert(*arguments(additions))
        for identifier, row, number in additions:
            self.put(identifier, Stored(tuple(row), {"n": number}))

    @rule(additions=ADDITIONS)
    def add(self, additions: list[tuple[str, list[float], int]]) -> None:
        ids = [identifier for identifier, _, _ in additions]
        if len(set(ids)) < len(ids) or self.working.keys() & set(ids):
            with pytest.raises(UsageError, match="there already"):
                self.writer.add(*arguments(additions))
            return
        self.writer.add(*arguments(additions))
        for identifier, row, number in additions:
            self.put(identifier, Stored(tuple(row), {"n": number}))

    @rule(ids=st.lists(IDS, max_size=6))
    def delete(self, ids: list[str]) -> None:
        unknown = [one for one in dict.fromkeys(ids) if one not in self.working]
        assert self.writer.delete(ids) == unknown
        for identifier in ids:
            self.working.pop(identifier, None)

    @precondition(lambda self: self.working)
    @rule(data=st.data())
    def update_documents(self, data: st.DataObject) -> None:
        chosen = data.draw(st.lists(st.sampled_from(sorted(self.working)), max_size=5))
        documents = [{"updated": at} for at in range(len(chosen))]
        self.writer.update_documents(chosen, documents)
        for identifier, document in zip(chosen, documents, strict=True):
            self.put(identifier, Stored(self.working[identifier].row, document))

    @rule()
    def commit(self) -> None:
        self.writer.commit()
        self.publish()
        self.pending = 0

    @rule()
    def checkpoint(self) -> None:
        self.writer.checkpoint()
        self.publish()

    @rule(ids=st.lists(IDS, min_size=1, max_size=3), additions=ADDITIONS)
    def delete_checkpoint_upsert_commit(
        self, ids: list[str], additions: list[tuple[str, list[float], int]]
    ) -> None:
        self.delete(ids)
        self.checkpoint()
        self.upsert(additions)
        self.commit()

    @rule()
    def abort(self) -> None:
        self.writer.abort()
        self.working = dict(self.committed)
        self.pending = 0

    @rule()
    def reopen(self) -> None:
        self.writer.close()
        self.abort_model()
        self.writer = IndexWriter(self.path)

    @rule()
    def compact(self) -> None:
        self.writer.close()
        self.abort_model()
        compact(self.path)
        self.writer = IndexWriter(self.path)

    def abort_model(self) -> None:
        self.working = dict(self.committed)
        self.pending = 0

    @rule()
    def refresh(self) -> None:
        self.engine.refresh()
        self.seen = dict(self.committed)

    @rule()
    def open_again(self) -> None:
        self.engine.close()
        self.engine = SearchEngine.open(self.path)
        self.seen = dict(self.committed)

    @rule()
    def verify(self) -> None:
        assert not list(verify_index(self.path, deep=True))

    @invariant()
    def the_writer_knows_the_last_commit(self) -> None:
        if hasattr(self, "engine"):
            assert len(self.writer) == len(self.committed)

    @invariant()
    def the_reader_answers_as_exhaustive_scoring(self) -> None:
        if hasattr(self, "engine"):
            assert_answers(self.engine, self.seen)

    def teardown(self) -> None:
        try:
            if hasattr(self, "engine"):
                self.refresh()
                assert_answers(self.engine, self.committed)
                self.engine.close()
                self.writer.close()
                self.equals_one_built_at_once()
        finally:
            self.patch.undo()
            shutil.rmtree(self.folder, ignore_errors=True)

    def equals_one_built_at_once(self) -> None:
        fresh = self.folder / "fresh"
        with IndexWriter(fresh, vocabulary_size=WIDTH, max_weight=MAX_WEIGHT) as writer:
            writer.add(
                *arguments(
                    (identifier, list(stored.row), stored.document)
                    for identifier, stored in self.committed.items()
                )
            )
        assert everything(self.path) == everything(fresh)


def arguments(
    additions: Iterable[tuple[str, list[float], Any]],
) -> tuple[list[str], csr_matrix, list[dict[str, Any]]]:
    taken = list(additions)
    rows = np.array([row for _, row, _ in taken], np.float32).reshape(len(taken), WIDTH)
    documents = [one if isinstance(one, dict) else {"n": one} for _, _, one in taken]
    return [identifier for identifier, _, _ in taken], csr_matrix(rows), documents


def everything(path: Path) -> list[list[tuple[str, float, Any]]]:
    with SearchEngine.open(path) as engine:
        return [
            [
                (hit.id, hit.score, hit.document)
                for hit in engine.search_vector(query.terms, query.weights, k=1000)
            ]
            for query in QUERIES
        ]


def assert_answers(engine: SearchEngine, contents: Contents) -> None:
    assert len(engine) == len(contents)
    ids = list(contents)
    matrix = np.array([contents[one].row for one in ids]).reshape(len(ids), WIDTH)
    live = np.ones(len(ids), np.bool_)
    for query in QUERIES:
        scores, unit = whole_scores(matrix, query, MAX_WEIGHT / 65536)
        for k in (1, 5, 100):
            hits = engine.search_vector(query.terms, query.weights, k=k)
            best = whole_top_k(scores, live, k)
            assert [hit.id for hit in hits] == [ids[at] for at in best]
            expected = [scores[at] * unit for at in best]
            assert [hit.score for hit in hits] == pytest.approx(expected, rel=1e-9)
            assert [hit.document for hit in hits] == [contents[ids[at]].document for at in best]


def test_any_sequence_of_updates() -> None:
    run_state_machine_as_test(
        IndexMachine, settings=settings(max_examples=25, stateful_step_count=25, deadline=None)
    )


@pytest.mark.soak
def test_any_long_sequence_of_updates() -> None:
    run_state_machine_as_test(
        IndexMachine, settings=settings(max_examples=400, stateful_step_count=60, deadline=None)
    )
