"""The public API, over an index written from vectors and one with a tiny text model."""

from __future__ import annotations

import copy
import json
import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

import engine
from engine import (
    DocumentNotFoundError,
    EngineError,
    Hit,
    IndexDamagedError,
    IndexNotFoundError,
    QueryToken,
    SearchEngine,
    UsageError,
)
from engine.storage.manifest import ModelRecord, Quantization
from engine.storage.segment import dump_document
from engine.storage.segment_content import SegmentContent
from engine.storage.store_writer import QuerySide, StoreWriter
from indexer.inversion import invert
from indexer.vector_index import write_index
from tests.engine.retrieval.test_query_encoder import WEIGHTS, WORDS, tokenizer_json

PRODUCTS = [
    {"id": "a", "title": "sábana queen"},
    {"id": "b", "title": "sábana"},
    {"id": "c", "title": "queen, queen"},
    {"id": "ñ", "title": "otra cosa"},
]
VECTORS = np.zeros((4, len(WORDS)))
VECTORS[0, [4, 5, 6]] = 1.0, 1.5, 0.5
VECTORS[1, [4, 5]] = 1.0, 1.5
VECTORS[2, [6]] = 2.0
VECTORS[3, [8, 6]] = 1.0, 0.1


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index with a query side, without the torch that a real model takes."""
    path = tmp_path_factory.mktemp("api") / "index"
    side = QuerySide(ModelRecord("tiny", "f" * 64, 64), tokenizer_json(), WEIGHTS)
    rows = csr_matrix(VECTORS.astype(np.float32))
    with StoreWriter(path, vocabulary_size=len(WORDS), max_weight=8.0, query_side=side) as writer:
        block = invert(
            rows.indptr.astype(np.int64), rows.indices, rows.data, len(WORDS), Quantization(8.0)
        )
        documents = [dump_document(product) for product in PRODUCTS]
        ids = [product["id"].encode() for product in PRODUCTS]
        writer.commit([SegmentContent([block], ids, documents, [bytes(16)] * 4)])
    return path


@pytest.fixture
def opened(index: Path) -> Iterator[SearchEngine]:
    with SearchEngine.open(index) as opened:
        yield opened


def test_exported_names() -> None:
    assert sorted(engine.__all__) == [
        "CatalogError",
        "Damage",
        "DocumentNotFoundError",
        "EngineError",
        "Explanation",
        "Hit",
        "IndexDamagedError",
        "IndexFormatError",
        "IndexInfo",
        "IndexLockedError",
        "IndexNotFoundError",
        "IndexWriteError",
        "InputNotFoundError",
        "Match",
        "MissingExtraError",
        "ModelError",
        "ModelMismatchError",
        "ModelNotFoundError",
        "QueryToken",
        "SearchEngine",
        "SearchResults",
        "UsageError",
        "VerificationReport",
        "__version__",
        "back_up",
        "stream_backup",
        "verify_index",
    ]
    assert all(hasattr(engine, name) for name in engine.__all__)


def test_search(opened: SearchEngine) -> None:
    results = opened.search("Sábana queen")
    assert [(hit.rank, hit.id) for hit in results] == [(1, "c"), (2, "a"), (3, "b"), (4, "ñ")]
    assert results[0].document == PRODUCTS[2]
    assert [hit.score for hit in results] == pytest.approx([6.0, 5.5, 4.0, 0.3], abs=1e-3)
    assert [(token.token, token.weight) for token in results.tokens] == [
        ("queen", 3.0),
        ("##bana", 2.0),
        ("sa", 1.0),
    ]
    assert len(results) == 4
    assert results.took_ms > 0
    assert results[0].matches is None


def test_offset_continues_the_ranking(opened: SearchEngine) -> None:
    first = opened.search("sábana queen", k=2)
    second = opened.search("sábana queen", k=2, offset=2)
    assert [hit.id for hit in [*first, *second]] == ["c", "a", "b", "ñ"]
    assert [hit.rank for hit in second] == [3, 4]
    assert len(opened.search("sábana queen", k=5, offset=40)) == 0


@pytest.mark.parametrize(
    ("k", "offset"),
    [
        (np.int8(100), np.int8(100)),
        (np.uint8(255), np.uint8(1)),
        (np.int64(2**63 - 1), np.int64(1)),
        (10**30, 0),
    ],
)
def test_numbers_of_any_kind_do_not_overflow(
    opened: SearchEngine, k: int | np.integer, offset: int | np.integer
) -> None:
    every = opened.search("sábana queen", k=10).hits
    left_over = every[int(offset) :]
    assert opened.search("sábana queen", k=int(k), offset=int(offset)).hits == left_over
    assert opened.search("sábana queen", k, offset=offset).hits == left_over  # type: ignore[arg-type]
    assert opened.search_vector([4, 6], [1.0, 1.0], k, offset=offset).hits == (  # type: ignore[arg-type]
        opened.search_vector([4, 6], [1.0, 1.0], int(k), offset=int(offset)).hits
    )


@pytest.mark.parametrize("threads", [0, -1, None, "2", 1.5, True])
def test_impossible_threads_are_refused(opened: SearchEngine, threads: Any) -> None:
    with pytest.raises(UsageError, match="threads must be a whole number from 1 up"):
        opened.search_batch(["queen"], threads=threads)


def test_no_more_threads_than_cpus(opened: SearchEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []

    def counted(count: int) -> ThreadPoolExecutor:
        started.append(count)
        return ThreadPoolExecutor(count)

    monkeypatch.setattr("engine.retrieval.scorer.ThreadPoolExecutor", counted)
    monkeypatch.setattr("engine.query_input.usable_cpus", lambda: 3)
    opened.search_batch(["queen"] * 8, threads=np.int64(99_999))  # type: ignore[arg-type]
    assert started == [3]


def test_batches_equal_single_searches(opened: SearchEngine) -> None:
    queries = ["sábana", "queen", "zzz", "sabanas queen"] * 5
    for threads in (1, 2, 3):
        batch = opened.search_batch(queries, k=3, threads=threads)
        for query, results in zip(queries, batch, strict=True):
            assert results.query == query
            assert results.hits == opened.search(query, k=3).hits
    assert opened.search_batch([]) == []


@pytest.mark.parametrize("rho", [None, 1.0])
def test_more_hits_than_any_number_of_64_bits(opened: SearchEngine, rho: float | None) -> None:
    exact = opened.search("sábana queen", k=100).hits
    assert opened.search("sábana queen", k=10**30, rho=rho).hits == exact
    assert opened.search_batch(["sábana queen"], k=10**30, rho=rho)[0].hits == exact


def test_a_budget_of_all_postings_is_exact(opened: SearchEngine) -> None:
    exact = opened.search("sábana queen")
    for rho in (1.0, 1_000_000):
        found = opened.search("sábana queen", rho=rho)
        batch = opened.search_batch(["sábana queen"], rho=rho)[0]
        for hits in (found.hits, batch.hits):
            assert [(hit.id, hit.score) for hit in hits] == [
                (hit.id, hit.score) for hit in exact.hits
            ]
    few = opened.search("sábana queen", rho=1)
    scores = {hit.id: hit.score for hit in exact.hits}
    assert few.hits
    assert all(hit.score == pytest.approx(scores[hit.id]) for hit in few.hits)


def test_negative_static_weights_count_against(opened: SearchEngine) -> None:
    results = opened.search("sabanas queen")
    assert [hit.id for hit in results] == ["c", "a"]


def test_nothing_known_gives_a_reason(opened: SearchEngine) -> None:
    results = opened.search("zzz")
    assert len(results) == 0
    assert results.reason == "no word of this query is in the model's vocabulary"
    assert results.to_dict()["reason"] == results.reason


def test_explanation_sums_to_the_score(opened: SearchEngine) -> None:
    for hit in opened.search("sábana queen sabanas", explain=True):
        explanation = opened.explain("sábana queen sabanas", hit.id)
        assert explanation.matches == hit.matches
        assert explanation.score == pytest.approx(hit.score, rel=1e-9)
        for match in explanation.matches:
            assert match.contribution == pytest.approx(match.weight * match.document_weight)
    explanation = opened.explain("sábana queen", "b")
    assert [match.token for match in explanation.matches] == ["##bana", "sa"]
    assert [token.token for token in explanation.missing] == ["queen"]


def test_documents_by_id(opened: SearchEngine) -> None:
    assert opened.get("ñ") == PRODUCTS[3]
    assert "ñ" in opened
    assert "n\u0303" not in opened
    assert "\udc80" not in opened
    assert 5 not in opened
    assert len(opened) == 4
    with pytest.raises(DocumentNotFoundError, match="no document with id 'x'"):
        opened.get("x")
    with pytest.raises(DocumentNotFoundError):
        opened.explain("queen", "x")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"query": ""}, "empty"),
        ({"query": " \n\t"}, "empty"),
        ({"query": "x" * 70_000}, "70000 characters"),
        ({"query": "\ud800"}, "half a character"),
        ({"query": "queen", "k": 0}, "k must be at least 1"),
        ({"query": "queen", "k": -3}, "k must be at least 1"),
        ({"query": "queen", "offset": -1}, "offset must not be negative"),
        ({"query": "queen", "rho": 0}, "rho must be a whole number of postings"),
        ({"query": "queen", "rho": 1.5}, "a share of them such as 0.5"),
        ({"query": "queen", "rho": True}, "not True"),
        ({"query": "queen", "rho": float("nan")}, "not nan"),
    ],
)
def test_impossible_searches(
    opened: SearchEngine, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        opened.search(**arguments)  # type: ignore[arg-type]


def test_vectors_of_ones_own(opened: SearchEngine) -> None:
    by_text = opened.search("sábana queen", explain=True)
    by_vector = opened.search_vector([6, 5, 4], [3.0, 2.0, 1.0], explain=True)
    assert by_vector.hits == by_text.hits
    # Repeated terms add up, unknown ones match nothing, zeros are nothing.
    again = opened.search_vector([6, 5, 4, 6, 99_999, 8], [1.0, 2.0, 1.0, 2.0, 5.0, 0.0])
    assert [(hit.id, hit.score) for hit in again] == [(hit.id, hit.score) for hit in by_text]
    assert len(opened.search_vector([], [])) == 0
    assert len(opened.search_vector([99_999], [1.0])) == 0


@pytest.mark.parametrize(
    ("terms", "weights"),
    [([1, 2], [1.0]), ([[1]], [[1.0]]), ([-1], [1.0]), ([1.5], [1.0]), ([1], [np.nan]),
     ([1], [np.inf]), (["a"], [1.0]), (list(range(70_000)), [1.0] * 70_000)],
)  # fmt: skip
def test_impossible_vectors(opened: SearchEngine, terms: list[int], weights: list[float]) -> None:
    if len(terms) == 70_000:
        assert len(opened.search_vector(terms, weights)) == 4  # beyond the vocabulary is nothing
        return
    with pytest.raises(UsageError):
        opened.search_vector(terms, weights)


def test_an_index_without_a_model_takes_vectors_only(tmp_path: Path) -> None:
    path = tmp_path / "vectors"
    write_index(path, csr_matrix(VECTORS), ["a", "b", "c", "d"])
    with SearchEngine.open(path) as opened:
        found = opened.search_vector([4], [1.0], explain=True)
        assert [hit.id for hit in found] == ["a", "b"]
        assert found[0].document == {}
        assert found[0].matches is not None
        assert found[0].matches[0].token == "#4"
        assert opened.info().model is None
        with pytest.raises(UsageError, match="search_vector"):
            opened.search("queen")


def test_info(opened: SearchEngine, index: Path) -> None:
    info = opened.info()
    assert (info.documents, info.segments, info.blocks, info.deleted) == (4, 1, 1, 0)
    assert info.postings == 8
    assert info.terms == 4
    assert info.active_dimensions == 2.0
    assert info.model == "tiny"
    assert info.file_bytes == (index / "data.mdb").stat().st_size
    assert set(info.to_dict()["bytes_by_part"]) >= {"postings", "documents", "tokenizer"}


def test_closing(index: Path) -> None:
    opened = SearchEngine.open(index)
    results = opened.search("queen")
    opened.close()
    opened.close()
    assert results[0].document == PRODUCTS[2]
    for call in (lambda: opened.search("queen"), lambda: opened.get("a"), lambda: opened.info()):
        with pytest.raises(EngineError, match="closed"):
            call()


def test_no_index(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError, match="engine index"):
        SearchEngine.open(tmp_path / "nowhere")
    with pytest.raises(IndexNotFoundError):
        SearchEngine.open(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_threads_share_an_engine_until_it_is_closed(index: Path) -> None:
    """Searches under way end well; later ones are refused; nothing crashes."""
    opened = SearchEngine.open(index)
    expected = opened.search("sábana queen", explain=True).hits
    wrong: list[object] = []
    refused = threading.Event()

    def work() -> None:
        while True:
            try:
                if opened.search("sábana queen", explain=True).hits != expected:
                    wrong.append("other hits")
            except EngineError:
                refused.set()
                return
            except BaseException as error:
                wrong.append(error)
                return

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    threading.Event().wait(0.3)
    opened.close()
    for thread in threads:
        thread.join(20)
    assert not wrong
    assert refused.is_set()


def test_several_engines_on_one_index(index: Path) -> None:
    with SearchEngine.open(index) as one, SearchEngine.open(index) as two:
        assert one.search("queen").hits == two.search("queen").hits
    with SearchEngine.open(index) as three:
        assert len(three.search("queen")) == 3


@pytest.mark.parametrize(
    ("stored", "document"),
    [
        (b'{"a":1}', {"a": 1}),
        (b' {"a": [1, {"b": null}]}\n', {"a": [1, {"b": None}]}),
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
        ('{"ñ":"日"}'.encode(), {"ñ": "日"}),
        ('{"ñ":1}'.encode("utf-16"), {"ñ": 1}),
        (b'{"a":1}{"b":2}', None),
        (b"[1]", None),
        (b'"text"', None),
        (b"", None),
        (b"\xff", None),
        (b"[" * 100_000, None),
    ],
)
def test_documents_are_what_json_reads(stored: bytes, document: dict[str, object] | None) -> None:
    hit = Hit(1, "a", 1.0, None, stored)
    if document is None:
        with pytest.raises(IndexDamagedError, match="stored document of 'a' is no JSON object"):
            _ = hit.document
    else:
        assert hit.document == document == json.loads(stored)
        assert hit.document is hit.document


def test_hits_are_values() -> None:
    hit = Hit(1, "a", 1.5, None, b"{}")
    assert hit == Hit(rank=1, id="a", score=1.5, matches=None, stored=b"{}")
    assert hit != Hit(1, "a", 1.5)
    assert hash(hit) == hash(Hit(1, "a", 1.5, None, b"{}"))
    assert repr(hit) == "Hit(rank=1, id='a', score=1.5, matches=None)"
    assert replace(hit, rank=2).rank == 2
    assert pickle.loads(pickle.dumps(hit)) == copy.copy(hit) == hit
    with pytest.raises(FrozenInstanceError):
        hit.rank = 3  # type: ignore[misc]


def test_tokens_have_the_weights_of_their_query(opened: SearchEngine) -> None:
    for weight in (3.0, 7.0, 3.0):
        assert opened.search_vector([6], [weight]).tokens == (QueryToken("queen", weight),)
        assert opened.search("queen").tokens == (QueryToken("queen", 3.0),)
