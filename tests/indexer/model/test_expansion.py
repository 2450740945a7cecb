from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from safetensors.torch import load_file as torch_load
from safetensors.torch import save_file as torch_save
from scipy.sparse import csr_matrix

from engine.errors import ModelError
from indexer.model import SparseModel
from indexer.model.expansion import CONFIG_FILE, WEIGHTS_FILE, DocumentExpansion, read_expansion
from tests.indexer.model.tiny_models import VOCABULARY, add_expansion, write_json, write_model

V = 6
CONFIG = {"vocabulary_size": V, "limit": None, "shares_of": "activations"}
FOLDER = "document_2_DocumentExpansion"
TEXTS = ["queen cotton sheet", "sabana de algodon", "", "phone case!", "sheet " * 30]
ENTRIES = [("cotton", "algodon", 0.7), ("sheet", "sabana", 0.5), ("queen", "sabana", 0.25)]

PHRASES = [(0, 1, 1), (2, 4, 5), (3, 3, 3)]
matrices = st.lists(
    st.tuples(
        st.integers(0, V - 1), st.integers(0, V - 1), st.floats(0.01, 2.0, allow_subnormal=False)
    ),
    max_size=12,
    unique_by=lambda entry: entry[:2],
)
# Of a vocabulary with the phrases above behind it.
phrase_matrices = st.lists(
    st.tuples(
        st.integers(0, V + len(PHRASES) - 1),
        st.integers(0, V - 1),
        st.floats(0.01, 2.0, allow_subnormal=False),
    ),
    max_size=12,
    unique_by=lambda entry: entry[:2],
)
vectors = st.lists(
    st.lists(st.sampled_from([0.0, 0.0, 0.5, 1.0, 2.5]), min_size=V, max_size=V), max_size=5
)


priorities = st.lists(st.sampled_from([0.25, 1.0, 1.5, 3.0]), min_size=V, max_size=V).map(
    lambda values: np.array(values, dtype=np.float32)
)


def expansion(
    entries: list[tuple[int, int, float]],
    size: int = V,
    limit: int | None = None,
    priorities: np.ndarray | None = None,
) -> DocumentExpansion:
    rows, columns, values = ([entry[part] for entry in entries] for part in range(3))
    array = np.array(values, dtype=np.float32)
    matrix = csr_matrix((array, (rows, columns)), shape=(size, size))
    return DocumentExpansion(matrix, limit, priorities=priorities)


def with_phrases(
    entries: list[tuple[int, int, float]],
    limit: int | None = None,
    priorities: np.ndarray | None = None,
) -> DocumentExpansion:
    rows, columns, values = ([entry[part] for entry in entries] for part in range(3))
    array = np.array(values, dtype=np.float32)
    matrix = csr_matrix((array, (rows, columns)), shape=(V + len(PHRASES), V))
    return DocumentExpansion(matrix, limit, np.array(PHRASES, dtype=np.int64), priorities)


@given(phrase_matrices, vectors)
def test_a_phrase_hands_on_a_share_of_the_least_of_its_words(
    entries: list[tuple[int, int, float]], rows: list[list[float]]
) -> None:
    v = np.array(rows, dtype=np.float32).reshape(-1, V)
    expanded = with_phrases(entries)(csr_matrix(v)).toarray()
    for before, after in zip(np.expm1(v.astype(np.float64)), expanded, strict=True):
        expected = before.copy()
        for giver, taker, share in entries:
            words = [giver] if giver < V else list(PHRASES[giver - V])
            expected[taker] += np.float32(share) * before[words].min()
        np.testing.assert_allclose(after, np.log1p(expected), rtol=1e-6)


@given(phrase_matrices, vectors, st.integers(1, V))
def test_phrases_do_not_depend_on_the_other_documents(
    entries: list[tuple[int, int, float]], rows: list[list[float]], limit: int
) -> None:
    v = csr_matrix(np.array(rows, dtype=np.float32).reshape(-1, V))
    expand = with_phrases(entries, limit)
    together = expand(v).toarray()
    assert (np.count_nonzero(together, axis=1) <= limit).all()
    for at in range(v.shape[0]):
        assert np.array_equal(expand(v[at]).toarray()[0], together[at])


@given(matrices, vectors)
def test_it_is_the_vector_and_what_its_entries_hand_on(
    entries: list[tuple[int, int, float]], rows: list[list[float]]
) -> None:
    p = expansion(entries)
    v = np.array(rows, dtype=np.float32).reshape(-1, V)
    expanded = p(csr_matrix(v))
    assert expanded.dtype == np.float32
    assert expanded.has_sorted_indices
    activations = np.expm1(v.astype(np.float64))
    expected = np.log1p(activations + activations @ p.weights.toarray())
    np.testing.assert_allclose(expanded.toarray(), expected, rtol=1e-6)
    takes = np.unique(p.weights.indices)
    np.testing.assert_array_equal(
        np.delete(expanded.toarray(), takes, axis=1), np.delete(v, takes, axis=1)
    )


@given(matrices, vectors, st.integers(1, V + 1), st.none() | priorities)
def test_what_takes_nothing_is_never_pushed_out(
    entries: list[tuple[int, int, float]],
    rows: list[list[float]],
    limit: int,
    priorities: np.ndarray | None,
) -> None:
    v = np.array(rows, dtype=np.float32).reshape(-1, V)
    takes = {column for _, column, _ in entries}
    whole = expansion(entries, priorities=priorities)(csr_matrix(v)).toarray()
    assert np.array_equal(whole, expansion(entries)(csr_matrix(v)).toarray())
    worth = whole if priorities is None else whole * priorities
    found = expansion(entries, limit=limit, priorities=priorities)(csr_matrix(v))
    assert found.has_sorted_indices
    for before, after, all_of_it, order in zip(v, found.toarray(), whole, worth, strict=True):
        ranked = sorted(np.flatnonzero(before), key=lambda at: (-before[at], at))[:limit]
        stay = [at for at in ranked if at not in takes]
        takers = sorted((at for at in takes if order[at] > 0), key=lambda at: (-order[at], at))
        expected = {*stay, *takers[: limit - len(stay)]}
        assert set(np.flatnonzero(after)) == expected
        for at in expected:
            assert after[at] == all_of_it[at]


@given(phrase_matrices, st.none() | priorities)
@settings(max_examples=25)
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory,
    entries: list[tuple[int, int, float]],
    priorities: np.ndarray | None,
) -> None:
    plain = [entry for entry in entries if entry[0] < V]
    for written in (
        expansion(plain, limit=3, priorities=priorities),
        with_phrases(entries, 3, priorities),
    ):
        directory = tmp_path_factory.mktemp("expansion")
        written.write(directory)
        found = read_expansion(directory, V)
        assert found.digest == written.digest
        assert (found.weights != written.weights).nnz == 0
        assert np.array_equal(found.phrases, written.phrases)
        assert (found.priorities is None) == (priorities is None)
        assert np.array_equal(found.priorities, priorities)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [1, 256, 257, 65_536, 65_537])
def test_ids_are_written_as_short_as_the_vocabulary_allows(tmp_path: Path, size: int) -> None:
    last = size - 1
    matrix = csr_matrix(([0.5, 0.25], ([last, size], [last, last])), shape=(size + 1, size))
    phrases = np.array([[0, last]], dtype=np.int64)
    DocumentExpansion(matrix, phrases=phrases).write(tmp_path)
    found = read_expansion(tmp_path, size)
    assert (found.weights != matrix).nnz == 0
    assert found.phrases.dtype == np.int64
    assert np.array_equal(found.phrases, phrases)
    tensors = load_file(tmp_path / WEIGHTS_FILE)
    shortest = 1 if size <= 256 else 2 if size <= 65_536 else 4
    assert tensors["targets"].itemsize == tensors["phrases"].itemsize == shortest


def test_arrays_are_written_in_their_order_however_they_lie_in_memory(tmp_path: Path) -> None:
    one = with_phrases([(0, 1, 0.5)])
    strided = np.arange(2 * V, 0, -1, dtype=np.float32)[::2]
    written = DocumentExpansion(
        one.weights, phrases=np.asfortranarray(one.phrases), priorities=strided
    )
    written.write(tmp_path)
    found = read_expansion(tmp_path, V)
    assert found.phrases.tolist() == [list(phrase) for phrase in PHRASES]
    assert found.priorities is not None
    assert found.priorities.tolist() == strided.tolist()


def test_the_largest_priority_pushes_out_nothing_that_takes_nothing() -> None:
    largest = np.full(V, np.finfo(np.float32).max, dtype=np.float32)
    v = csr_matrix(np.array([[3, 0, 0, 0, 2, 1]], dtype=np.float32))
    expanded = expansion([(0, 1, 1.0), (0, 5, 1.0)], limit=2, priorities=largest)(v)
    assert expanded.indices.tolist() == [0, 4]


def test_the_digest_tells_matrices_apart() -> None:
    digests = {
        expansion(entries, size).digest
        for entries, size in (
            ([(0, 1, 0.5)], V),
            ([(0, 1, 0.25)], V),
            ([(0, 2, 0.5)], V),
            ([(1, 1, 0.5)], V),
            ([(0, 1, 0.5)], V + 1),
        )
    }
    digests.add(expansion([(0, 1, 0.5)], limit=4).digest)
    one = with_phrases([(0, 1, 0.5)])
    digests.add(one.digest)
    digests.add(DocumentExpansion(one.weights, phrases=one.phrases[::-1]).digest)
    for value in (1, 2):
        even = np.full(V, value, dtype=np.float32)
        digests.add(expansion([(0, 1, 0.5)], priorities=even).digest)
        digests.add(with_phrases([(0, 1, 0.5)], priorities=even).digest)
    assert len(digests) == 12


def test_the_encoder_expands_and_then_keeps_the_largest(tmp_path: Path) -> None:
    plain = SparseModel.load(write_model(tmp_path / "plain"), dtype="float32")
    root = add_expansion(write_model(tmp_path / "model"), ENTRIES)
    model = SparseModel.load(root, dtype="float32")
    p = read_expansion(root / FOLDER, len(VOCABULARY))
    expected = p(plain.encode_document(TEXTS)).toarray()
    np.testing.assert_allclose(model.encode_document(TEXTS).toarray(), expected, rtol=1e-5)
    assert (expected > plain.encode_document(TEXTS).toarray() + 1e-3).any()


@pytest.mark.parametrize("limit", [None, 6])
@pytest.mark.parametrize("asked", [None, 3, 6, 30])
def test_what_is_asked_for_takes_the_place_of_the_limit(
    tmp_path: Path, limit: int | None, asked: int | None
) -> None:
    plain = SparseModel.load(write_model(tmp_path / "plain"), dtype="float32")
    root = add_expansion(write_model(tmp_path / "model"), ENTRIES, limit=limit)
    model = SparseModel.load(root, dtype="float32")
    weights = read_expansion(root / FOLDER, len(VOCABULARY)).weights
    expected = DocumentExpansion(weights, asked or limit)(plain.encode_document(TEXTS))
    found = model.encode_document(TEXTS, max_active_dims=asked)
    assert found.has_sorted_indices
    assert np.array_equal(found.indptr, expected.indptr)
    assert np.array_equal(found.indices, expected.indices)
    np.testing.assert_allclose(found.data, expected.data, rtol=1e-5)


def test_it_belongs_to_the_fingerprint(tmp_path: Path) -> None:
    fingerprints = {
        SparseModel.load(write_model(tmp_path / "plain")).fingerprint,
        SparseModel.load(add_expansion(write_model(tmp_path / "one"), ENTRIES)).fingerprint,
        SparseModel.load(add_expansion(write_model(tmp_path / "two"), ENTRIES[:1])).fingerprint,
    }
    assert len(fingerprints) == 3


def change(**tensors: np.ndarray) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        save_file({**load_file(path), **tensors}, path)

    return apply


def drop(path: Path) -> None:
    tensors = load_file(path)
    del tensors["targets"]
    save_file(tensors, path)


def write(keep: slice) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        path.write_bytes(path.read_bytes()[keep])

    return apply


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing": (Path.unlink, "is missing"),
    "empty": (write(slice(0)), "no readable safetensors"),
    "truncated": (write(slice(-3)), "no readable safetensors"),
    "a tensor less": (drop, "no tensor called 'targets'"),
    "beyond": (change(targets=np.array([0, 1, V], dtype=np.int32)), "beyond the vocabulary"),
    "below": (change(sources=np.array([0, -1, 2], dtype=np.int32)), "beyond the vocabulary"),
    "shorter": (change(weights=np.ones(2, dtype=np.float32)), "unequal length"),
    "real ids": (change(sources=np.zeros(3, dtype=np.float32)), "no integers"),
    "infinite": (change(weights=np.array([1, np.inf, 1], dtype=np.float32)), "positive numbers"),
    "no number": (change(weights=np.array([1, np.nan, 1], dtype=np.float32)), "positive numbers"),
    "negative": (change(weights=np.array([1, -1, 1], dtype=np.float32)), "positive numbers"),
    "no reals": (change(weights=np.ones(3, dtype=np.bool_)), "of the type bool"),
    "a phrase beyond": (change(phrases=np.full((1, 2), V, dtype=np.int32)), "beyond the vocab"),
    "a list of phrases": (change(phrases=np.zeros(2, dtype=np.int32)), "no table of words"),
    "phrases of nothing": (change(phrases=np.zeros((2, 0), dtype=np.int32)), "no table of words"),
    "real phrases": (change(phrases=np.zeros((1, 2), dtype=np.float32)), "no integers"),
    "a phrase too few": (change(sources=np.array([0, 1, V], dtype=np.int32)), "beyond the vocab"),
    "priorities of others": (
        change(priorities=np.ones(V + 1, dtype=np.float32)),
        r"priorities are float32 \(7,\)",
    ),
    "priorities of another type": (change(priorities=np.ones(V)), "priorities are float64"),
    "no priority": (change(priorities=np.zeros(V, dtype=np.float32)), "numbers above 0"),
    "an infinite priority": (
        change(priorities=np.full(V, np.inf, dtype=np.float32)),
        "finite numbers",
    ),
    "twice": (
        change(sources=np.zeros(3, dtype=np.int32), targets=np.ones(3, dtype=np.int32)),
        "a pair of words twice",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_told_with_the_file(tmp_path: Path, kind: str) -> None:
    expansion([(0, 1, 0.5), (1, 2, 0.5), (2, 3, 1.0)]).write(tmp_path)
    spoil, message = DAMAGE[kind]
    spoil(tmp_path / WEIGHTS_FILE)
    with pytest.raises(ModelError, match=message) as error:
        read_expansion(tmp_path, V)
    assert str(tmp_path / WEIGHTS_FILE) in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vocabulary_size": V + 1}, "vocabulary_size is 7"),
        ({"vocabulary_size": None}, "vocabulary_size is None"),
        ({"shares_of": "weights"}, "another version"),
        ({"shares_of": None}, "another version"),
    ],
)
def test_settings_of_another_model_are_refused(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    expansion([(0, 1, 0.5)]).write(tmp_path)
    write_json(tmp_path / CONFIG_FILE, {**CONFIG, **change})
    with pytest.raises(ModelError, match=message) as error:
        read_expansion(tmp_path, V)
    assert str(tmp_path / CONFIG_FILE) in str(error.value)


def test_a_limit_must_be_told(tmp_path: Path) -> None:
    expansion([(0, 1, 0.5)]).write(tmp_path)
    write_json(tmp_path / CONFIG_FILE, {key: CONFIG[key] for key in CONFIG if key != "limit"})
    with pytest.raises(ModelError, match="limit is None"):
        read_expansion(tmp_path, V)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn])
def test_types_that_numpy_does_not_have_are_refused(tmp_path: Path, dtype: torch.dtype) -> None:
    expansion([(0, 1, 0.5)]).write(tmp_path)
    tensors = torch_load(tmp_path / WEIGHTS_FILE)
    torch_save({**tensors, "weights": tensors["weights"].to(dtype)}, tmp_path / WEIGHTS_FILE)
    with pytest.raises(ModelError, match=WEIGHTS_FILE):
        read_expansion(tmp_path, V)


def test_the_given_vectors_stay_as_they_are() -> None:
    unsorted = csr_matrix((np.ones(2, np.float32), [3, 1], [0, 2]), shape=(1, V))
    expansion([(1, 2, 0.5)], limit=2)(unsorted)
    assert unsorted.indices.tolist() == [3, 1]


@pytest.mark.parametrize("limit", [0, -3])
def test_a_limit_is_at_least_one(limit: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        expansion([(0, 1, 0.5)], limit=limit)


def test_phrases_must_fit_the_matrix() -> None:
    square = expansion([(0, 1, 0.5)]).weights
    with pytest.raises(ValueError, match="do not fit"):
        DocumentExpansion(square, phrases=np.zeros((1, 2), dtype=np.int64))
    with pytest.raises(ValueError, match="do not fit"):
        DocumentExpansion(square, phrases=np.zeros(0, dtype=np.int64))
    with pytest.raises(ValueError, match="do not fit"):
        DocumentExpansion(square, phrases=np.zeros((0, 0), dtype=np.int64))
    longer = with_phrases([(0, 1, 0.5)]).weights
    for table, message in (
        (np.zeros((3, 2)), "not of integers"),
        (np.full((3, 2), -1), "beyond the vocabulary"),
        (np.full((3, 2), V), "beyond the vocabulary"),
    ):
        with pytest.raises(ValueError, match=message):
            DocumentExpansion(longer, phrases=table)


@pytest.mark.parametrize(
    "priorities",
    [np.ones(V), np.ones((1, V), np.float32), np.full(V, np.nan, np.float32), -np.ones(V, "f4")],
)
def test_priorities_are_positive_numbers_for_all_words(priorities: np.ndarray) -> None:
    with pytest.raises(ValueError, match="priorities"):
        expansion([(0, 1, 0.5)], priorities=priorities)


def test_a_model_that_names_a_missing_expansion_is_refused(tmp_path: Path) -> None:
    root = add_expansion(write_model(tmp_path / "model"), ENTRIES)
    (root / FOLDER / WEIGHTS_FILE).unlink()
    with pytest.raises(ModelError, match="is missing"):
        SparseModel.load(root)


@pytest.mark.parametrize("limit", [0, -1, 2.5, "7", True])
def test_a_limit_that_is_no_number_is_refused(tmp_path: Path, limit: object) -> None:
    expansion([(0, 1, 0.5)]).write(tmp_path)
    write_json(
        tmp_path / CONFIG_FILE, {"vocabulary_size": V, "limit": limit, "shares_of": "activations"}
    )
    with pytest.raises(ModelError, match="limit is"):
        read_expansion(tmp_path, V)
