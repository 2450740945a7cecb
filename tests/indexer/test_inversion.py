"""Inversion: blocks hold what the rows say, in impact order, whatever the representation."""

from __future__ import annotations

import math
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

import indexer.inversion
from engine.errors import UsageError
from engine.storage.block import BANDS, InvertedBlock, row_stride
from engine.storage.manifest import Quantization
from indexer.inversion import invert

MAX_WEIGHT = 4.0
QUANTIZATION = Quantization(MAX_WEIGHT)
STEP = QUANTIZATION.step
Rows = list[dict[int, float]]

WEIGHTS = st.one_of(
    st.sampled_from([0.0, 1e-45, 1e-10, STEP / 2, STEP, 1.5 * STEP, 1.0, 3.999, MAX_WEIGHT]),
    st.floats(0, MAX_WEIGHT, width=32),
)
ROWS = st.lists(st.dictionaries(st.integers(0, 9), WEIGHTS, max_size=10), min_size=1, max_size=40)


def inverted(rows: Rows, width: int = 10) -> InvertedBlock:
    indptr = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    indices = np.array([term for row in rows for term in row], np.int32)
    data = np.array([weight for row in rows for weight in row.values()], np.float32)
    return invert(indptr, indices, data, width, QUANTIZATION)


def impact_of(weight: float) -> int:
    """The definition, in Python's own arithmetic."""
    value = float(np.float32(weight))
    return 0 if value == 0 else min(max(round(value / STEP), 1), 65535)


def naive(rows: Rows) -> dict[int, dict[int, int]]:
    """Term to document to impact."""
    postings: dict[int, dict[int, int]] = {}
    for document, row in enumerate(rows):
        for term, weight in row.items():
            if impact := impact_of(weight):
                postings.setdefault(term, {})[document] = impact
    return postings


def read(block: InvertedBlock) -> dict[int, dict[int, int]]:
    """What a block says, whether in lists or in rows; checks what must hold of both."""
    stride = row_stride(block.documents)
    checksums = block.checksums
    postings: dict[int, dict[int, int]] = {}
    for slot, term in enumerate(block.terms.tolist()):
        listed = block.postings[block.offsets[slot] : block.offsets[slot + 1]]
        row = int(block.rows[slot])
        if row < 0:
            found = {int(posting) & 0xFFFF: int(posting) >> 16 for posting in listed}
            assert len(found) == len(listed)
            order = [
                (-(impact * BANDS // (int(block.maxima[slot]) + 1)), document)
                for document, impact in found.items()
            ]
            assert order == sorted(order)
            assert checksums[slot] == zlib.crc32(listed.tobytes())
        else:
            assert not len(listed)
            high = block.high[row * stride : (row + 1) * stride]
            low = block.low[row * stride : (row + 1) * stride]
            impacts = high.astype(np.uint16) << 8 | low
            assert not impacts[block.documents :].any()
            found = {at: int(impacts[at]) for at in np.flatnonzero(impacts).tolist()}
            assert checksums[slot] == zlib.crc32(high.tobytes() + low.tobytes())
        assert max(found.values()) == block.maxima[slot]
        postings[term] = found
    return postings


def check(block: InvertedBlock, rows: Rows) -> None:
    expected = naive(rows)
    assert read(block) == expected
    assert block.documents == len(rows)
    assert block.terms.tolist() == sorted(expected)
    assert block.occurrences == sum(map(len, expected.values()))
    assert (block.offsets[0], block.offsets[-1]) == (0, len(block.postings))
    dense = np.flatnonzero(block.rows >= 0)
    assert block.rows[dense].tolist() == list(range(len(dense)))
    assert len(block.high) == len(block.low) == len(dense) * row_stride(block.documents)
    dtypes = [
        getattr(block, name).dtype.str
        for name in ("terms", "offsets", "maxima", "rows", "postings", "high", "low")
    ]
    assert dtypes == ["<u4", "<u4", "<u2", "<i4", "<u4", "|u1", "|u1"]


@settings(deadline=None)  # the first call loads compiled code
@given(ROWS)
def test_equals_a_naive_inversion(rows: Rows) -> None:
    check(inverted(rows), rows)


@settings(deadline=None)  # the first call loads compiled code
@given(ROWS)
def test_equals_a_naive_inversion_with_dense_rows(rows: Rows) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(indexer.inversion, "MIN_DENSE_DOCUMENTS", 1)
        block = inverted(rows)
    check(block, rows)
    for slot, term in enumerate(block.terms.tolist()):
        is_frequent = len(naive(rows)[term]) > indexer.inversion.DENSE_SHARE * len(rows)
        assert (block.rows[slot] >= 0) == is_frequent


def random_rows(documents: int, width: int, density: float) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(documents)
    weights = rng.random((documents, width)) * MAX_WEIGHT
    weights[rng.random(weights.shape) > density * np.arange(1, width + 1) / width] = 0
    return weights.astype(np.float32)


def test_a_block_with_both_lists_and_rows() -> None:
    weights = random_rows(1300, 12, 0.2)
    rows = [{int(at): float(row[at]) for at in np.flatnonzero(row)} for row in weights]
    block = inverted(rows, 12)
    check(block, rows)
    assert 0 < (block.rows >= 0).sum() < len(block.terms)


def by_sorting(rows: csr_matrix) -> dict[str, npt.NDArray[Any]]:
    """Parts of a block as the format has them, by sorting all postings with NumPy."""
    documents, width = rows.shape
    document = np.repeat(np.arange(documents), np.diff(rows.indptr))
    rounded = np.rint(rows.data.astype(np.float64) / STEP)
    impact = np.where(rows.data > 0, np.clip(rounded, 1, 65535), 0).astype(np.int64)
    kept = impact > 0
    term, document, impact = rows.indices[kept], document[kept], impact[kept]
    frequency = np.bincount(term, minlength=width)
    largest = np.zeros(width, np.int64)
    np.maximum.at(largest, term, impact)
    band = impact * BANDS // (largest[term] + 1)
    order = np.lexsort((document, -band, term))
    term, document, impact = term[order], document[order], impact[order]
    is_dense = frequency > indexer.inversion.DENSE_SHARE * documents
    if documents < indexer.inversion.MIN_DENSE_DOCUMENTS:
        is_dense[:] = False
    terms = np.flatnonzero(frequency)
    dense = is_dense[term]
    cells = np.zeros((int(is_dense.sum()), row_stride(documents)), np.uint16)
    cells[(np.cumsum(is_dense) - 1)[term[dense]], document[dense]] = impact[dense]
    lengths = np.where(is_dense, 0, frequency)[terms]
    return {
        "terms": terms.astype(np.uint32),
        "offsets": np.concatenate([[0], np.cumsum(lengths)]).astype(np.uint32),
        "maxima": largest[terms].astype(np.uint16),
        "rows": np.where(is_dense, np.cumsum(is_dense) - 1, -1)[terms].astype(np.int32),
        "postings": (impact << 16 | document)[~dense].astype(np.uint32),
        "high": (cells >> 8).astype(np.uint8).ravel(),
        "low": (cells & 0xFF).astype(np.uint8).ravel(),
    }


@settings(deadline=None, max_examples=60)
@given(
    documents=st.integers(1, 3_000),
    width=st.integers(1, 60),
    decay=st.floats(0, 2),
    most=st.sampled_from([1e-3, 0.5, MAX_WEIGHT]),
    seed=st.integers(0, 1 << 32),
    is_sorted=st.booleans(),
)
def test_equals_sorting_with_numpy_to_the_last_byte(
    documents: int, width: int, decay: float, most: float, seed: int, is_sorted: bool
) -> None:
    rng = np.random.default_rng(seed)
    weights = np.minimum(rng.gamma(1.0, most / 6, (documents, width)), most).astype(np.float32)
    weights[rng.random(weights.shape) > np.arange(1, width + 1) ** -decay * rng.random()] = 0
    rows = csr_matrix(weights)
    rows.data[rng.random(rows.nnz) < 0.01] = 0
    if not is_sorted:
        # Terms of a row may come in any order.
        keys = np.repeat(np.arange(documents), np.diff(rows.indptr)) + rng.random(rows.nnz)
        shuffled = np.argsort(keys)
        rows = csr_matrix((rows.data[shuffled], rows.indices[shuffled], rows.indptr), rows.shape)
    block = invert(rows.indptr.astype(np.int64), rows.indices, rows.data, width, QUANTIZATION)
    for name, expected in by_sorting(rows).items():
        found = getattr(block, name)
        assert found.dtype == expected.dtype, name
        assert np.array_equal(found, expected), name


def test_bands_at_every_maximum() -> None:
    """The division of the format, at the impacts on both sides of each border of a band."""
    maxima = np.unique([*range(1, 300), *np.random.default_rng(5).integers(300, 65536, 400), 65535])
    columns = []
    for maximum in maxima.tolist():
        borders = [-(-(maximum + 1) * band // BANDS) for band in range(BANDS + 1)]
        impacts = {border + by for border in borders for by in (-1, 0)} | {1, maximum}
        columns.append(sorted(impact for impact in impacts if 1 <= impact <= maximum))
    weights = np.zeros((max(map(len, columns)), len(columns)), np.float32)
    for at, column in enumerate(columns):
        weights[: len(column), at] = np.random.default_rng(at).permutation(column)
    rows = csr_matrix(weights * np.float32(STEP))
    block = invert(
        rows.indptr.astype(np.int64), rows.indices, rows.data, len(columns), QUANTIZATION
    )
    assert block.maxima.tolist() == maxima.tolist()
    assert np.array_equal(block.postings, by_sorting(rows)["postings"])


def test_the_largest_block() -> None:
    documents = 65_536
    weights = np.zeros((documents, 2), np.float32)
    weights[:, 0] = weights[-1, 1] = 2.0
    rows = csr_matrix(weights)
    block = invert(rows.indptr.astype(np.int64), rows.indices, rows.data, 2, QUANTIZATION)
    assert block.postings.tolist() == [32_768 << 16 | 65_535]
    assert (block.high == 0x80).all()
    assert not block.low.any()


@given(st.floats(0, MAX_WEIGHT, width=32))
def test_a_weight_is_off_by_half_a_step_at_most(weight: float) -> None:
    block = inverted([{0: weight}])
    impact = int(block.maxima[0]) if len(block.maxima) else 0
    assert impact == impact_of(weight)
    if weight >= STEP / 2 and impact < 65535:
        assert abs(impact * STEP - weight) <= STEP / 2
    elif weight:
        # No match is lost, and the largest weight of all is rounded down to what 16 bits hold.
        assert impact == (65535 if weight > 1 else 1)
        assert abs(impact * STEP - weight) <= STEP


@pytest.mark.parametrize(
    "weight", [math.nan, math.inf, -math.inf, -1.0, -1e-45, MAX_WEIGHT * 1.0001, 1e38]
)
def test_weights_that_cannot_be_stored_are_refused(weight: float) -> None:
    with pytest.raises(UsageError, match=r"document 2 has weight .* in dimension 7; .* 0 to 4$"):
        inverted([{1: 1.0}, {}, {3: 2.0, 7: weight}, {1: 1.0}])


@pytest.mark.parametrize("documents", [0, 65_537])
def test_sizes_that_no_block_has_are_refused(documents: int) -> None:
    with pytest.raises(UsageError, match="65536 documents, not"):
        inverted([{}] * documents)


def test_documents_without_terms() -> None:
    block = inverted([{}, {3: 0.0}])
    assert block.documents == 2
    assert not len(block.terms)
    assert block.offsets.tolist() == [0]
    assert len(block.checksums) == 0


@pytest.mark.parametrize("largest", [8, 1 << 70])
def test_a_largest_weight_that_a_manifest_has_as_a_whole_number(largest: int) -> None:
    rows = csr_matrix(np.array([[4.0, 0.5]], np.float32))
    places = rows.indptr.astype(np.int64), rows.indices, rows.data
    block = invert(*places, 2, Quantization(largest))
    assert (
        block.postings.tolist()
        == invert(*places, 2, Quantization(float(largest))).postings.tolist()
    )
