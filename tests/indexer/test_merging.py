"""Merging: the block that one writer would have made of the same documents at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix, random_array

import indexer.inversion
import indexer.merging
from engine.errors import IndexDamagedError
from engine.storage import keys, stored_block
from engine.storage import segment as segment_module
from engine.storage.block import InvertedBlock
from engine.storage.manifest import Quantization
from engine.storage.segment_content import SegmentContent
from engine.storage.snapshot import Snapshot
from engine.storage.store_writer import StoreWriter
from indexer.inversion import invert
from indexer.merging import Piece, merged

WIDTH = 30
QUANTIZATION = Quantization(2.0)


def collection(count: int, seed: int) -> csr_matrix:
    """Rare terms, and some that are in most documents."""
    rng = np.random.default_rng(seed)
    rare = random_array((count, WIDTH - 6), density=0.1, rng=rng, dtype=np.float32)
    frequent = random_array((count, 6), density=0.6, rng=rng, dtype=np.float32)
    return csr_matrix(np.hstack([rare.toarray(), frequent.toarray()]))


def inverted(rows: csr_matrix) -> InvertedBlock:
    return invert(
        rows.indptr.astype(np.int64), rows.indices, rows.data, rows.shape[1], QUANTIZATION
    )


def write(path: Path, rows: csr_matrix, cuts: list[int], *, with_documents: bool) -> None:
    """One segment between each two cuts."""
    with StoreWriter(path, vocabulary_size=WIDTH, max_weight=2.0) as store:
        for begin, end in zip([0, *cuts], [*cuts, rows.shape[0]], strict=True):
            numbers = range(begin, end)
            store.commit(
                [
                    SegmentContent(
                        [inverted(rows[begin:end])],
                        [f"id-{at}".encode() for at in numbers],
                        [b'{"n":%d}' % at for at in numbers] if with_documents else None,
                        [bytes([at % 256] * 16) for at in numbers] if with_documents else None,
                    )
                ]
            )


def assert_same(block: InvertedBlock, expected: InvertedBlock) -> None:
    for name in InvertedBlock.__dataclass_fields__:
        found, wanted = getattr(block, name), getattr(expected, name)
        assert np.array_equal(found, wanted), name
        assert getattr(found, "dtype", None) == getattr(wanted, "dtype", None), name


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_merged_block_is_that_of_one_writer(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    count = data.draw(st.integers(1, 120))
    cuts = sorted(data.draw(st.sets(st.integers(1, count - 1), max_size=4))) if count > 1 else []
    kept = np.array(sorted(data.draw(st.sets(st.integers(0, count - 1), min_size=1))))
    with_documents = data.draw(st.booleans())
    rows = collection(count, seed=data.draw(st.integers(0, 9)))
    path = tmp_path_factory.mktemp("merging") / "index"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(indexer.inversion, "MIN_DENSE_DOCUMENTS", data.draw(st.sampled_from([1, 50])))
        write(path, rows, cuts, with_documents=with_documents)
        snapshot = Snapshot(path)
        pieces = []
        for segment, first in zip(
            snapshot.segments, snapshot.first_documents.tolist(), strict=False
        ):
            here = kept[(kept >= first) & (kept < first + segment.record.documents)]
            if len(here):
                pieces.append(Piece(segment, here - first))
        content = merged(pieces, WIDTH)
        del pieces, segment
        snapshot.close()
        assert_same(content.blocks[0], inverted(rows[kept]))
    assert content.ids == [f"id-{at}".encode() for at in kept]
    if not with_documents:
        assert content.documents is content.content_hashes is None
        return
    assert content.documents == [b'{"n":%d}' % at for at in kept]
    assert content.content_hashes == [bytes([at % 256] * 16) for at in kept]


def test_segments_of_several_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No writer of this version makes such, but the format has them."""
    for module in (indexer.merging, segment_module):
        monkeypatch.setattr(module, "MAX_BLOCK_DOCUMENTS", 16)
    rows = collection(40, seed=3)
    blocks = [inverted(rows[begin : begin + 16]) for begin in (0, 16, 32)]
    with StoreWriter(tmp_path, vocabulary_size=WIDTH, max_weight=2.0) as store:
        store.commit([SegmentContent(blocks, [f"id-{at}".encode() for at in range(40)])])
    snapshot = Snapshot(tmp_path)
    kept = np.arange(1, 40, 3)
    content = merged([Piece(snapshot.segments[0], kept)], WIDTH)
    snapshot.close()
    assert_same(content.blocks[0], inverted(rows[kept]))


def test_damage_is_not_carried_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, collection(20, seed=1), [10], with_documents=True)
    snapshot = Snapshot(tmp_path)
    pieces = [Piece(segment, np.arange(10)) for segment in snapshot.segments]
    with monkeypatch.context() as patch:
        patch.setattr(stored_block, "piece_checksums", lambda offsets, *_: offsets[1:] * 0)
        with pytest.raises(IndexDamagedError, match="postings of term"):
            merged(pieces, WIDTH)
    # A checksum of a document that is not the document's.
    name = keys.segment_part(0, "document-checksums")
    snapshot.segments[0]._parts[name] = np.zeros(10, np.uint32)
    with pytest.raises(IndexDamagedError, match="stored document 0"):
        merged(pieces, WIDTH)
    del pieces
    snapshot.close()
