"""The index writer: what it takes and refuses, and that steps do not matter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

import indexer.index_writer
from engine import IndexWriteError, ModelMismatchError, SearchEngine, UsageError
from engine.storage import environment
from indexer.catalog.values import MAX_ID_BYTES
from indexer.index_writer import IndexWriter

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
    monkeypatch.setattr(indexer.index_writer, "MAX_BLOCK_DOCUMENTS", 8)


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
        writer.add(
            [identifier for identifier, _, _ in kept],
            vectors([row for _, row, _ in kept]),
            [{"n": number} for _, _, number in kept],
        )
    cuts = sorted(data.draw(st.sets(st.integers(1, len(additions)))) | {len(additions)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(indexer.index_writer, "MAX_BLOCK_DOCUMENTS", 8)
        writer = IndexWriter(folder / "steps", vocabulary_size=WIDTH, max_weight=4)
        begin = 0
        for cut in cuts:
            step = additions[begin:cut]
            writer.add(
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
        writer.add(["a", "b", "a"], vectors([[1] * WIDTH, [2] * WIDTH, [3] * WIDTH]))
        writer.add(["b"], one(4.0))
        writer.commit()
        assert len(writer) == 2
        writer.add(["a"], one(5.0, dimension=1))
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
            writer.add(ids[part], csr_matrix(rows[part]), [{"id": name} for name in ids[part]])
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
        writer.add(ids, rows)
    assert ids_of(tmp_path) == ["4", "3", "2", "1", "0", "9", "8", "7", "6", "5"]


def test_documents_are_given_with_all_vectors_of_a_block_or_with_none(tmp_path: Path) -> None:
    with IndexWriter(tmp_path, vocabulary_size=WIDTH, max_weight=8) as writer:
        writer.add(["a"], one(1.0), [{"n": 1}])
        with pytest.raises(UsageError, match="all vectors of an index, or with none"):
            writer.add(["b"], one(1.0))
        writer.commit()
        writer.add(["b"], one(1.0))
        with pytest.raises(UsageError, match="all vectors of an index, or with none"):
            writer.add(["c"], one(1.0), [{"n": 3}])
    with SearchEngine.open(tmp_path) as engine:
        assert engine.get("a") == {"n": 1}
        assert engine.get("b") == {}
        assert "c" not in engine


def test_max_weight(tmp_path: Path) -> None:
    def step(folder: str) -> float:
        with SearchEngine.open(tmp_path / folder) as engine:
            return engine.info().quantization_step * 65536

    with IndexWriter(tmp_path / "given", vocabulary_size=WIDTH, max_weight=5.0) as writer:
        writer.add(["a"], one(8.0))
        with pytest.raises(UsageError, match=r"'b' has weight 8\.01.* from 0 to 8 \(set max_w"):
            writer.add(["b"], one(8.01))
    assert step("given") == 8
    with IndexWriter(tmp_path / "found", vocabulary_size=WIDTH) as writer:
        writer.add(["a", "b"], vectors([[1.5] + [0] * 5, [0.1] * 6]))
        writer.commit()
        with pytest.raises(UsageError, match="from 0 to 4"):
            writer.add(["c"], one(4.5))
    assert step("found") == 4
    with IndexWriter(tmp_path / "none", vocabulary_size=WIDTH) as writer:
        writer.add(["a"], one(0.0))
        writer.commit()
        # Documents without weights decide nothing.
        writer.add(["b"], one(300.0))
    assert step("none") == 1024
    assert ids_of(tmp_path / "none") == ["b"]
    with IndexWriter(tmp_path / "tiny", vocabulary_size=WIDTH) as writer:
        writer.add(["a"], one(1e-45))
    assert ids_of(tmp_path / "tiny") == ["a"]
    with IndexWriter(tmp_path / "huge", vocabulary_size=WIDTH) as writer:
        writer.add(["a"], one(8e37))
        with pytest.raises(UsageError, match="from 0 to"):
            writer.add(["b"], one(3e38))
    assert ids_of(tmp_path / "huge") == ["a"]


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf, 5e-324, 1.7e308])
def test_impossible_max_weights(tmp_path: Path, bad: float) -> None:
    with pytest.raises(UsageError, match="max_weight"):
        IndexWriter(tmp_path / "index", vocabulary_size=WIDTH, max_weight=bad)
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize("size", [None, 0, -3])
def test_impossible_widths(tmp_path: Path, size: int | None) -> None:
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
        writer.add(["old"], one(2.0), [{"n": 0}])
    before = answers(tmp_path)
    with (
        pytest.raises(UsageError, match=message) as caught,
        IndexWriter(tmp_path, vocabulary_size=WIDTH) as writer,
    ):
        writer.add(["lost"], one(1.0), [{"n": 1}])
        writer.add(ids, rows, documents, hashes)
    assert "\n" not in str(caught.value)
    assert answers(tmp_path) == before
    # The one who goes on after the error keeps what was added before it.
    with IndexWriter(tmp_path, vocabulary_size=WIDTH) as writer:
        writer.add(["kept"], one(1.0), [{"n": 1}])
        with pytest.raises(UsageError):
            writer.add(ids, rows, documents, hashes)
    assert ids_of(tmp_path) == ["old", "kept"]


def test_the_bad_row_is_named_behind_empty_rows(tmp_path: Path) -> None:
    rows = vectors([[0] * 6, [1] * 6, [0] * 6, [0, 0, 0, 0, 0, -2]])
    with (
        pytest.raises(UsageError, match=r"'d' has weight -2\.0 in dimension 5"),
        IndexWriter(tmp_path, vocabulary_size=WIDTH) as writer,
    ):
        writer.add(["a", "b", "c", "d"], rows)


def test_the_longest_id(tmp_path: Path) -> None:
    name = "x" * MAX_ID_BYTES
    with IndexWriter(tmp_path, vocabulary_size=WIDTH) as writer:
        writer.add([name], one(1.0))
    assert ids_of(tmp_path) == [name]
    with SearchEngine.open(tmp_path) as engine:
        assert name in engine


def test_a_failed_commit_can_be_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytearray:
        raise MemoryError

    with IndexWriter(tmp_path, vocabulary_size=WIDTH, max_weight=8) as writer:
        writer.add(["a", "b"], vectors([[1] * 6, [2] * 6]))
        writer.commit()
        writer.add(["b", "c"], vectors([[3] * 6, [4] * 6]))
        with monkeypatch.context() as patch:
            patch.setattr(environment, "seal", fail)
            with pytest.raises(IndexWriteError):
                writer.commit()
        assert ids_of(tmp_path) == ["b", "a"]
        writer.commit()
        assert ids_of(tmp_path) == ["c", "b", "a"]


def test_a_closed_writer_writes_nothing(tmp_path: Path) -> None:
    writer = IndexWriter(tmp_path, vocabulary_size=WIDTH, max_weight=8)
    writer.add(["a"], one(1.0))
    writer.commit()
    writer.close()
    writer.close()
    writer.add(["b"], one(1.0))
    with pytest.raises(UsageError, match="closed"):
        writer.commit()
    assert ids_of(tmp_path) == ["a"]


def test_another_width_is_refused(tmp_path: Path) -> None:
    with IndexWriter(tmp_path, vocabulary_size=WIDTH):
        pass
    with pytest.raises(ModelMismatchError, match="vectors of 6 dimensions without a model"):
        IndexWriter(tmp_path, vocabulary_size=WIDTH + 1)


def test_what_is_current_and_what_this_run_added(tmp_path: Path) -> None:
    hashes = [bytes([at]) * 16 for at in range(3)]
    documents: list[Any] = [{"n": at} for at in range(3)]
    ids = ["a", "b", "c"]
    with IndexWriter(tmp_path, vocabulary_size=WIDTH, max_weight=8) as writer:
        assert writer.current(ids, hashes, documents) == [False] * 3
        writer.add(ids[:2], vectors([[1] * 6] * 2), documents[:2], hashes[:2])
        assert writer.current(ids, hashes, documents) == [False] * 3
        assert writer.added_in_this_run(ids) == [True, True, False]
        writer.commit()
        assert writer.added_in_this_run(ids) == [True, True, False]
    with IndexWriter(tmp_path, vocabulary_size=WIDTH) as writer:
        assert writer.added_in_this_run(ids) == [False] * 3
        assert writer.current(ids, hashes, documents) == [True, True, False]
        assert writer.current(ids, [*hashes[1:], hashes[0]], documents) == [False] * 3
        assert writer.current(ids[:2], hashes[:2], [{"n": 0}, {"n": 9}]) == [True, False]
        # What waits to be committed counts for more than what it replaces.
        writer.add(["a"], one(1.0), [{"n": 5}], [hashes[0]])
        assert writer.current(ids, hashes, documents) == [False, True, False]
