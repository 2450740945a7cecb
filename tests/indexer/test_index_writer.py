"""The index writer: what it takes and refuses, and that steps do not matter."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

import indexer.merge_policy
import indexer.uncommitted
from engine import (
    DocumentNotFoundError,
    IndexLockedError,
    IndexNotFoundError,
    IndexWriteError,
    ModelMismatchError,
    SearchEngine,
    UsageError,
)
from engine.storage import environment, keys
from engine.storage.snapshot import Snapshot
from engine.storage.store_writer import StoreWriter
from engine.storage.verification import verify_index
from indexer.catalog.values import MAX_ID_BYTES
from indexer.index_writer import IndexWriter
from indexer.stored_state import StoredState
from tests.engine.storage.resealing import payloads, reseal

WIDTH = 6
Answers = list[list[tuple[str, float, Any]]]


def vectors(rows: Sequence[Sequence[float]]) -> csr_matrix:
    return csr_matrix(np.array(rows, np.float32).reshape(len(rows), WIDTH))


def one(weight: float, dimension: int = 0) -> csr_matrix:
    row = [0.0] * WIDTH
    row[dimension] = weight
    return vectors([row])


def answers(path: Path) -> Answers:
    """All that can be asked for with one term or all, with documents."""
    with SearchEngine.open(path) as engine:
        queries = [([at], [1.0]) for at in range(WIDTH)]
        queries.append((list(range(WIDTH)), [1.0, 2.0, 0.5, 3.0, 1.0, 0.25]))
        return [
            [(hit.id, hit.score, hit.document) for hit in engine.search_vector(*query, k=1000)]
            for query in queries
        ]


def ids_of(path: Path, dimension: int = 0) -> list[str]:
    with SearchEngine.open(path) as engine:
        return [hit.id for hit in engine.search_vector([dimension], [1.0], k=1000)]


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexer.uncommitted, "MAX_BLOCK_DOCUMENTS", 8)
    monkeypatch.setattr(indexer.merge_policy, "MAX_BLOCK_DOCUMENTS", 8)


ROW = st.lists(st.sampled_from([0.0, 0.0, 0.25, 1.0, 1.7, 3.9]), min_size=WIDTH, max_size=WIDTH)
ADDITIONS = st.lists(
    st.tuples(st.integers(0, 30).map(str), ROW, st.integers(0, 99)), min_size=1, max_size=60
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ADDITIONS, st.data())
def test_an_index_grown_in_steps_equals_one_built_at_once(
    tmp_path_factory: pytest.TempPathFactory,
    additions: list[tuple[str, list[float], int]],
    data: st.DataObject,
) -> None:
    folder = tmp_path_factory.mktemp("steps")
    # At once: each id at the place where it was added last.
    last = {identifier: at for at, (identifier, _, _) in enumerate(additions)}
    kept = [additions[at] for at in sorted(last.values())]
    with IndexWriter(folder / "once", vocabulary_size=WIDTH, max_weight=4) as writer:
        writer.upsert(
            [identifier for identifier, _, _ in kept],
            vectors([row for _, row, _ in kept]),
            [{"n": number} for _, _, number in kept],
        )
    cuts = sorted(data.draw(st.sets(st.integers(1, len(additions)))) | {len(additions)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(indexer.uncommitted, "MAX_BLOCK_DOCUMENTS", 8)
        patch.setattr(indexer.merge_policy, "MAX_BLOCK_DOCUMENTS", 8)
        writer = IndexWriter(folder / "steps", vocabulary_size=WIDTH, max_weight=4)
        begin = 0
        for cut in cuts:
            step = additions[begin:cut]
            writer.upsert(
                [identifier for identifier, _, _ in step],
                vectors([row for _, row, _ in step]),
                [{"n": number} for _, _, number in step],
            )
            begin = cut
            what = data.draw(st.sampled_from(["go on", "checkpoint", "commit", "open again"]))
            if what == "checkpoint":
                writer.checkpoint()
            elif what != "go on":
                writer.commit()
            if what == "open again":
                writer.close()
                writer = IndexWriter(folder / "steps", vocabulary_size=WIDTH)
        writer.commit()
        assert len(writer) == len(kept)
        writer.close()
    assert answers(folder / "steps") == answers(folder / "once")


def test_the_last_of_equal_ids_wins(tmp_path: Path) -> None:
    with IndexWriter(tmp_path, vocabulary_size=WIDTH, max_weight=8) as writer:
        writer.upsert(["a", "b", "a"], vectors([[1] * WIDTH, [2] * WIDTH, [3] * WIDTH]))
        writer.upsert(["b"], one(4.0))
        writer.commit()
        assert len(writer) == 2
        writer.upsert(["a"], one(5.0, dimension=1))
    assert ids_of(tmp_path) == ["b"]
    assert ids_of(tmp_path, 1) == ["a"]


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("count", [1, 7, 8, 9, 16, 17])
@pytest.mark.parametrize("step", [1, 3, 8, 20])
def test_block_borders(tmp_path: Path, count: int, step: int) -> None:
    ids = [str(at) for at in range(count)]
    rows = np.ones((count, WIDTH), np.float32)
    with IndexWriter(tmp_path, vocabulary_size=WIDTH, max_weight=8) as writer:
        for begin in range(0, count, step):
            part = slice(begin, begin + step)
            writer.upsert(ids[part], csr_matrix(rows[part]), [{"id": name} for name in ids[part]])
            # Full blocks are committed as they come.
            assert len(writer) == (min(begin + step, count)) // 8 * 8
    assert ids_of(tmp_path) == ids
    with SearchEngine.open(tmp_path) as engine:
        assert engine.info().segments == math.ceil(count / 8)
        assert all(engine.get(name) == {"id": name} for name in ids)


@pytest.mark.usefixtures("small_blocks")
def test_an_id_is_replaced_across_block_borders_of_one_call(tmp_path: Path) -> None:
    ids = [str(at % 10) for at in range(25)]
    rows = vectors([[at + 1, 0, 0, 0, 0, 0] for at in range(25)])
    with IndexWriter(tmp_path, vocabulary_size=WIDTH, max_weight=32) as writer:
        writer.upsert(ids, rows)
    assert ids_of(tmp_path) == ["4", "3", "2", "1", "0", "9", "8", "7", "6", "5"]


def test_documents_are_given_with_all_vectors_of_a_block_or_with_none(tmp_path: Path) -> None:
    with IndexWriter(tmp_path, vocabulary_size=WIDTH, max_weight=8) as writer:
        writer.upsert(["a"], one(1.0), [{"n": 1}])
        with pytest.raises(UsageError, match="all vectors of an index, or with none"):
            writer.upsert(["b"], one(1.0))
        writer.commit()
        writer.upsert(["b"], one(1.0))
        with pytest.raises(UsageError, match="all vectors of an index, or with none"):
            writer.upsert(["c"], one(1.0), [{"n": 3}])
    with SearchEngine.open(tmp_path) as engine:
        assert engine.get("a") == {"n": 1}
        assert engine.get("b") == {}
        assert "c" not in engine


def test_max_weight(tmp_path: Path) -> None:
    def step(folder: str) -> float:
        with SearchEngine.open(tmp_path / folder) as engine:
            return engine.info().quantization_step * 65536

    with IndexWriter(tmp_path / "given", vocabulary_size=WIDTH, max_weight=5.0) as writer:
        writer.upsert(["a"], one(8.0))
        with pytest.raises(UsageError, match=r"'b' has weight 8\.01.* from 0 to 8 \(set max_w"):
            writer.upsert(["b"], one(8.01))
    assert step("given") == 8
    with IndexWriter(tmp_path / "found", vocabulary_size=WIDTH) as writer:
        writer.upsert(["a", "b"], vectors([[1.5] + [0] * 5, [0.1] * 6]))
        writer.commit()
        with pytest.raises(UsageError, match="from 0 to 4"):
            writer.upsert(["c"], one(4.5))
    assert step("found") == 4
    with IndexWriter(tmp_path / "none", vocabulary_size=WIDTH) as writer:
        writer.upsert(["a"], one(0.0))
        writer.commit()
        # Documents without weights decide nothing.
        writer.upsert(["b"], one(300.0))
    assert step("none") == 1024
    assert ids_of(tmp_path / "none") == ["b"]
    with IndexWriter(tmp_path / "tiny", vocabulary_size=WIDTH) as writer:
        writer.upsert(["a"], one(1e-45))
    assert ids_of(tmp_path / "tiny") == ["a"]
    with IndexWriter(tmp_path / "huge", vocabulary_size=WIDTH) as writer:
        writer.upsert(["a"], one(8e37))
        with pytest.raises(UsageError, match="from 0 to"):
            writer.upsert(["b"], one(3e38))
    assert ids_of(tmp_path / "huge") == ["a"]


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf, 5e-324, 1.7e308])
def test_impossible_max_weights(tmp_path: Path, bad: float) -> None:
    with pytest.raises(UsageError, match="max_weight"):
        IndexWriter(tmp_path / "index", vocabulary_size=WIDTH, max_weight=bad)
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize("size", [0, -3])
def test_impossible_widths(tmp_path: Path, size: int) -> None:
    with pytest.raises(UsageError, match="vocabulary_size"):
        IndexWriter(tmp_path / "index", vocabulary_size=size)


SURROGATE = "\ud800"
BAD = [
    (["a", "b"], one(1.0), None, None, "do not fit 2 ids"),
    (["a"], csr_matrix(np.ones((1, WIDTH + 1))), None, None, "a vocabulary of 6"),
    ([""], one(1.0), None, None, "not empty"),
    ([7], one(1.0), None, None, "must be text"),
    ([SURROGATE], one(1.0), None, None, "not valid text"),
    (["ñ" * 32_768], one(1.0), None, None, "at most 65535"),
    (["a"], one(-1.0), None, None, "'a' has weight -1.0 in dimension 0"),
    (["a"], one(math.nan, 3), None, None, "'a' has weight nan in dimension 3"),
    (["a"], one(math.inf), None, None, "'a' has weight inf"),
    (["a"], one(8.5, 2), None, None, "'a' has weight 8.5 in dimension 2"),
    (["a"], one(1.0), [], None, "1 ids, but 0 documents"),
    (["a"], one(1.0), [{"n": math.nan}], None, "document 'a' cannot be stored"),
    (["a"], one(1.0), [{"n": SURROGATE}], None, "document 'a' cannot be stored"),
    (["a"], one(1.0), [{"n": {1, 2}}], None, "document 'a' cannot be stored"),
    (["a"], one(1.0), [[1, 2]], None, "document 'a' must be a dictionary, not list"),
    (["a"], one(1.0), [{"n": 1}], [b"short"], "content hash of 16 bytes"),
    (["a"], one(1.0), [{"n": 1}], [bytes(16)] * 2, "content hash of 16 bytes"),
]


@pytest.mark.parametrize(("ids", "rows", "documents", "hashes", "message"), BAD)
def test_what_cannot_be_added_leaves_the_index_as_it_was(
    tmp_path: Path, ids: Any, rows: csr_matrix, documents: Any, hashes: Any, message: str
) -> None:
    with IndexWriter(tmp_path, vocabulary_size=WIDTH, max_weight=8) as writer:
        writer.upsert(["old"], one(2.0), [{"n": 0}])
    before = answers(tmp_path)
    with (
        pytest.raises(UsageError, match=message) as caught,
        IndexWriter(tmp_path, vocabulary_size=WIDTH) as writer,
    ):
        writer.upsert(["lost"], one(1.0), [{"n": 1}])
        writer.upsert(ids, rows, documents, hashes)
    assert "\n" not in str(caught.value)
    assert answers(tmp_path) == before
    # The one who goes on after the error keeps what was added before it.
    with IndexWriter(tmp_path, vocabulary_size=WIDTH) as writer:
        writer.upsert(["kept"], one(1.0), [{"n": 1}])
        with pytest.raises(UsageError):
            writer.upsert(ids, rows, documents, hashes)
    assert ids_of(tmp_path) == ["old", "kept"]


def test_the_bad_row_is_named_behind_empty_rows(tmp_path: Path) -> None:
    rows = vectors([[0] * 6, [1] * 6, [0] * 6, [0, 0, 0, 0, 0, -2]])
    with (
        pytest.raises(UsageError, match=r"'d' has weight -2\.0 in dimension 5"),
        IndexWriter(tmp_path, vocabulary_size=WIDTH) as writer,
    ):
        writer.upsert(["a", "b", "c", "d"], rows)


def test_the_longest_id(tmp_path: Path) -> None:
    name = "x" * MAX_ID_BYTES
    with IndexWriter(tmp_path, vocabulary_size=WIDTH) as writer:
        writer.upsert([name], one(1.0))
    assert ids_of(tmp_path) == [name]
    with SearchEngine.open(tmp_path) as engine:
        assert name in engine


def test_a_failed_commit_can_be_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytearray:
        raise MemoryError

    with IndexWriter(tmp_path, vocabulary_size=WIDTH, max_weight=8) as writer:
        writer.upsert(["a", "b"], vectors([[1] * 6, [2] * 6]))
        writer.commit()
        writer.upsert(["b", "c"], vectors([[3] * 6, [4] * 6]))
        with monkeypatch.context() as patch:
            patch.setattr(environment, "seal", fail)
            with pytest.raises(IndexWriteError):
                writer.commit()
        assert ids_of(tmp_path) == ["b", "a"]
        writer.commit()
        assert ids_of(tmp_path) == ["c", "b", "a"]


def test_a_closed_writer_writes_nothing(tmp_path: Path) -> None:
    writer = IndexWriter(tmp_path, vocabulary_size=WIDTH, max_weight=8)
    writer.upsert(["a"], one(1.0))
    writer.commit()
    writer.close()
    writer.close()
    for use in (
        lambda: writer.upsert(["b"], one(1.0)),
        lambda: writer.delete(["a"]),
        lambda: writer.update_documents(["a"], [{}]),
        lambda: writer.add(["b"], one(1.0)),
        lambda: writer.unknown(["b"]),
        lambda: writer.states(["a"], [bytes(16)], [{}]),
        writer.commit,
        writer.checkpoint,
        writer.abort,
    ):
        with pytest.raises(UsageError, match="closed"):
            use()
    assert ids_of(tmp_path) == ["a"]


def test_another_width_is_refused(tmp_path: Path) -> None:
    with IndexWriter(tmp_path, vocabulary_size=WIDTH):
        pass
    with pytest.raises(ModelMismatchError, match="vectors of 6 dimensions without a model"):
        IndexWriter(tmp_path, vocabulary_size=WIDTH + 1)


def test_states_of_documents(tmp_path: Path) -> None:
    hashes = [bytes([at]) * 16 for at in range(3)]
    documents: list[Any] = [{"n": at} for at in range(3)]
    ids = ["a", "b", "c"]
    other, same_text, same = StoredState.OTHER_TEXT, StoredState.SAME_TEXT, StoredState.SAME
    with IndexWriter(tmp_path, vocabulary_size=WIDTH, max_weight=8) as writer:
        assert writer.states(ids, hashes, documents) == [other] * 3
        writer.upsert(ids[:2], vectors([[1] * 6] * 2), documents[:2], hashes[:2])
        assert writer.states(ids, hashes, documents) == [same, same, other]
        writer.commit()
        assert writer.states(ids, hashes, documents) == [same, same, other]
        assert writer.states(ids, [*hashes[1:], hashes[0]], documents) == [other] * 3
        assert writer.states(ids[:2], hashes[:2], [{"n": 0}, {"n": 9}]) == [same, same_text]
        # What waits to be committed counts for more than what it replaces.
        writer.upsert(["a"], one(1.0), [{"n": 5}], [hashes[2]])
        writer.delete(["b"])
        assert writer.states(ids, hashes, documents) == [other] * 3
        writer.abort()
        assert writer.states(ids, hashes, documents) == [same, same, other]


def test_add_takes_new_ids_only(tmp_path: Path) -> None:
    with IndexWriter(tmp_path, vocabulary_size=WIDTH, max_weight=8) as writer:
        writer.add(["a", "b"], vectors([[1] * 6, [2] * 6]))
        for known in (["c", "b"], ["c", "d", "c"]):
            with pytest.raises(UsageError, match=f"id '{known[-1]}' is there already; upsert"):
                writer.add(known, vectors([[3] * 6] * len(known)))
        writer.commit()
        with pytest.raises(UsageError, match="'a' is there already"):
            writer.add(["a"], one(1.0))
        writer.delete(["a"])
        writer.add(["a"], one(4.0))
    assert ids_of(tmp_path) == ["a", "b"]


def test_delete(tmp_path: Path) -> None:
    with IndexWriter(tmp_path, vocabulary_size=WIDTH, max_weight=8) as writer:
        writer.upsert(["a", "b", "c"], vectors([[1] * 6, [2] * 6, [3] * 6]))
        assert writer.delete(["b", "x", "b", "y"]) == ["x", "y"]
        writer.commit()
        assert len(writer) == 2
        writer.upsert(["d", "a"], vectors([[4] * 6, [5] * 6]))
        # What waits, and what it would have replaced.
        assert writer.delete(["a", "d"]) == []
        assert writer.delete(["a", "d"]) == ["a", "d"]
        writer.commit()
        assert len(writer) == 1
        writer.upsert(["c"], one(0.5))
        writer.delete(["c"])
        writer.upsert(["c"], one(0.25))
    with SearchEngine.open(tmp_path) as engine:
        assert [(hit.id, hit.score) for hit in engine.search_vector([0], [1.0])] == [("c", 0.25)]
        assert engine.info().documents == 1
    with IndexWriter(tmp_path) as writer:
        with pytest.raises(UsageError, match="list of texts"):
            writer.delete("c")
        with pytest.raises(UsageError, match="an id must be text"):
            writer.delete(["c", 7])  # type: ignore[list-item]
        assert writer.delete([]) == []
        assert writer.delete(["c"]) == []
    assert ids_of(tmp_path) == []


def test_a_checkpoint_is_published_and_what_follows_can_be_dropped(tmp_path: Path) -> None:
    with IndexWriter(tmp_path, vocabulary_size=WIDTH, max_weight=8) as writer:
        writer.upsert(["a", "b"], vectors([[1] * 6, [2] * 6]))
        writer.checkpoint()
        writer.delete(["a"])
        writer.upsert(["c"], one(3.0))
        assert ids_of(tmp_path) == ["b", "a"]
        writer.checkpoint()
        assert ids_of(tmp_path) == ["c", "b"]
        writer.delete(["b"])
        writer.abort()
        assert ids_of(tmp_path) == ["c", "b"]
        writer.delete(["b", "c"])
        writer.checkpoint()
        writer.commit()
        assert ids_of(tmp_path) == []
    with SearchEngine.open(tmp_path) as engine:
        assert engine.info().documents == 0


@pytest.mark.parametrize("merges", [True, False])
@pytest.mark.parametrize("count", [2, 7])
def test_a_checkpoint_of_deletions_alone_is_replaced_by_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, merges: bool
) -> None:
    if not merges:
        monkeypatch.setattr(indexer.uncommitted, "choose_merge", lambda sizes: [])
    ids = [f"id-{at}" for at in range(count)]
    with IndexWriter(tmp_path, vocabulary_size=WIDTH, max_weight=8) as writer:
        writer.upsert(ids, vectors([[1] * WIDTH] * count))
        writer.commit()
        writer.delete(ids[:1])
        writer.checkpoint()
        for name in ("x", "y"):
            writer.upsert([name], one(1.0))
            writer.commit()
            assert writer.unknown([*ids, name]) == ids[:1]
    assert ids_of(tmp_path) == [*ids[1:], "x", "y"]
    assert not list(verify_index(tmp_path, deep=True))


@pytest.mark.parametrize("fails_after", ["commit", "checkpoint", "full disk"])
def test_a_commit_that_could_not_be_opened_is_not_an_empty_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_after: str
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    def fail(*_: object) -> bytearray:
        raise MemoryError

    with IndexWriter(tmp_path, vocabulary_size=WIDTH, max_weight=8) as writer:
        writer.upsert(["a", "b"], vectors([[1] * 6, [2] * 6]))
        writer.commit()
        writer.upsert(["b", "c"], vectors([[3] * 6, [4] * 6]))
        if fails_after == "full disk":
            with monkeypatch.context() as patch:
                patch.setattr(environment, "seal", fail)
                with pytest.raises(IndexWriteError):
                    writer.commit()
        elif fails_after == "checkpoint":
            writer.checkpoint()
        else:
            writer.commit()
        with monkeypatch.context() as patch:
            patch.setattr(StoreWriter, "snapshot", interrupted)
            for use in (
                lambda: writer.unknown(["a"]),
                lambda: writer.delete(["a"]),
                lambda: writer.add(["a"], one(1.0)),
            ):
                with pytest.raises(KeyboardInterrupt):
                    use()
            writer.upsert(["a"], one(5.0))
            with pytest.raises(KeyboardInterrupt):
                writer.commit()
        assert writer.unknown(["a", "b", "c", "d"]) == ["d"]
        writer.commit()
        assert len(writer) == 3
    assert ids_of(tmp_path) == ["a", "c", "b"]
    assert not list(verify_index(tmp_path, deep=True))


def test_an_interrupt_right_after_a_commit_leaves_a_writer_that_can_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = StoreWriter.snapshot
    interrupts = [KeyboardInterrupt()]

    def once(store: StoreWriter, before: Snapshot | None = None) -> Snapshot | None:
        if interrupts:
            raise interrupts.pop()
        return opened(store, before)

    with IndexWriter(tmp_path, vocabulary_size=WIDTH, max_weight=8) as writer:
        writer.upsert(["a", "b"], vectors([[1] * 6, [2] * 6]))
        writer.commit()
        writer.upsert(["c"], one(3.0))
        writer.checkpoint()
        monkeypatch.setattr(StoreWriter, "snapshot", once)
        for _ in range(2):
            # Whether it comes with the commit or with what follows it.
            try:
                writer.upsert(["a", "d"], vectors([[4] * 6, [5] * 6]))
                writer.commit()
            except KeyboardInterrupt:
                continue
        assert not interrupts
        assert writer.unknown(["a", "b", "c", "d"]) == []
        assert len(writer) == 4
    assert sorted(ids_of(tmp_path)) == ["a", "b", "c", "d"]
    assert not list(verify_index(tmp_path, deep=True))


def test_a_commit_does_without_a_merge_that_meets_damage(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with IndexWriter(tmp_path, vocabulary_size=WIDTH, max_weight=8) as writer:
        writer.upsert(["a", "b", "c"], vectors([[1] * 6, [2] * 6, [3] * 6]))
        writer.commit()
    snapshot = Snapshot(tmp_path)
    key = keys.block_part(snapshot.segments[0].record.number, 0, "postings")
    snapshot.close()
    postings = bytearray(payloads(tmp_path)[key])
    postings[0] ^= 1
    reseal(tmp_path, {key: bytes(postings)})
    with IndexWriter(tmp_path) as writer:
        writer.upsert(["d"], one(4.0, dimension=5))
        writer.commit()
        assert not caplog.records
        # Half of the damaged segment is deleted, so merging it would pay.
        assert writer.delete(["a", "b"]) == []
        writer.commit()
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "damaged" in caplog.text
        assert len(writer) == 2
        assert writer.unknown(["a", "b", "c", "d"]) == ["a", "b"]
    with SearchEngine.open(tmp_path) as engine:
        assert "a" not in engine
        assert "d" in engine


def test_abort_drops_what_was_not_committed(tmp_path: Path) -> None:
    with IndexWriter(tmp_path, vocabulary_size=WIDTH) as writer:
        writer.upsert(["x"], one(300.0))
        writer.abort()
        # Nor has it decided how large weights can be.
        writer.upsert(["a", "b"], vectors([[1] * 6, [2] * 6]), [{"n": 1}, {"n": 2}])
        writer.commit()
        assert writer.delete(["a"]) == []
        writer.upsert(["b", "c"], vectors([[4] * 6, [3] * 6]))
        writer.abort()
        writer.commit()
    assert ids_of(tmp_path) == ["b", "a"]
    with SearchEngine.open(tmp_path) as engine:
        assert engine.info().quantization_step * 65536 == 4
    before = answers(tmp_path)
    with pytest.raises(ZeroDivisionError), IndexWriter(tmp_path) as writer:
        writer.delete(["a"])
        writer.upsert(["b"], one(1.0))
        raise ZeroDivisionError
    assert answers(tmp_path) == before


@pytest.mark.usefixtures("small_blocks")
def test_new_documents_under_the_old_vectors(tmp_path: Path) -> None:
    """Vectors come back out of lists, rows and what is pending, to the last bit."""
    rng = np.random.default_rng(5)
    rows = rng.choice([0.0, 0.3, 1.7, 8.0, 1e-9], (20, WIDTH)).astype(np.float32)
    ids = [str(at) for at in range(20)]
    hashes = [bytes([at + 1]) * 16 for at in range(20)]

    def documents(version: int) -> list[Any]:
        return [{"n": at, "version": version} for at in range(20)]

    with IndexWriter(tmp_path / "once", vocabulary_size=WIDTH, max_weight=8) as writer:
        order = [*range(5, 20), 3, 0]
        writer.upsert(
            [ids[at] for at in order],
            vectors(rows[order].tolist()),
            [documents(2 if at in (0, 3) else 1)[at] for at in order],
            [hashes[at] for at in order],
        )
    with IndexWriter(tmp_path / "steps", vocabulary_size=WIDTH, max_weight=8) as writer:
        writer.upsert(ids, vectors(rows.tolist()), documents(1), hashes)
        writer.delete(["1", "2", "4"])
        writer.update_documents(["3"], [documents(0)[3]])
        with pytest.raises(DocumentNotFoundError, match="no document with id '2'"):
            writer.update_documents(["0", "2"], [{}, {}])
        with pytest.raises(UsageError, match="1 ids, but 0"):
            writer.update_documents(["0"], [])
        writer.update_documents(["3", "0", "3"], [{}, documents(2)[0], documents(2)[3]])
        # "3" was given twice: its last place counts.
        writer.update_documents(["0"], [documents(2)[0]])
        assert writer.states(["0"], [hashes[0]], [documents(2)[0]]) == [StoredState.SAME]
    assert answers(tmp_path / "steps") == answers(tmp_path / "once")
    with IndexWriter(tmp_path / "steps") as writer:
        assert writer.states(["3"], [hashes[3]], [documents(2)[3]]) == [StoredState.SAME]


def test_dense_rows_are_read_back(tmp_path: Path) -> None:
    count = 1500  # enough for dense rows
    rng = np.random.default_rng(7)
    rows = rng.random((count, WIDTH), np.float32) * (
        rng.random((count, WIDTH)) < [1, 0.5, 0.2, 0.05, 0, 0]
    )
    ids = [str(at) for at in range(count)]
    for folder, upserts in (("once", 1), ("twice", 2)):
        with IndexWriter(tmp_path / folder, vocabulary_size=WIDTH, max_weight=1) as writer:
            writer.upsert(ids, csr_matrix(rows.astype(np.float32)), [{}] * count)
            if upserts == 2:
                writer.commit()
                writer.update_documents(ids, [{}] * count)
    assert answers(tmp_path / "twice") == answers(tmp_path / "once")


def test_opened_without_a_model_or_a_width(tmp_path: Path) -> None:
    path = tmp_path / "index"
    with pytest.raises(IndexNotFoundError, match="no index at"):
        IndexWriter(path)
    assert not path.exists()
    with IndexWriter(path, vocabulary_size=WIDTH, max_weight=8) as writer:
        writer.upsert(["a"], one(1.0))
    with IndexWriter(path) as writer:
        writer.upsert(["b"], one(2.0))
        assert writer.model is None
    assert ids_of(path) == ["b", "a"]


def test_waiting_for_another_writer(tmp_path: Path) -> None:
    first = IndexWriter(tmp_path, vocabulary_size=WIDTH, max_weight=8)
    with pytest.raises(IndexLockedError, match=r"still at work after 0\.2 seconds"):
        IndexWriter(tmp_path, wait=0.2, vocabulary_size=WIDTH)
    first.upsert(["a"], one(1.0))

    def finish() -> None:
        first.commit()
        first.close()

    timer = threading.Timer(0.3, finish)
    timer.start()
    with IndexWriter(tmp_path, wait=60) as second:
        assert len(second) == 1
    timer.join()
