from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix, random_array

from indexer import IndexWriter, SparseModel
from tests.indexer.model.tiny_models import write_model
from training.evaluation.sparsity import document_frequencies, measure_sparsity


@pytest.mark.parametrize("documents", [30, 1500])
def test_frequencies_of_lists_and_dense_rows_without_deleted_documents(
    tmp_path: Path, documents: int
) -> None:
    """Above 1,024 documents frequent terms are dense rows; replaced documents do not count."""
    generator = np.random.default_rng(documents)
    rows = csr_matrix(random_array((documents, 40), density=0.2, rng=generator), dtype=np.float32)
    again = csr_matrix(random_array((10, 40), density=0.5, rng=generator), dtype=np.float32)
    ids = [f"d{at}" for at in range(documents)]
    with IndexWriter(tmp_path / "index", vocabulary_size=40, max_weight=1) as writer:
        writer.add(ids, rows)
        writer.commit()
        writer.upsert(ids[5:15], again)
    expected = (rows.toarray() > 0).sum(axis=0)
    expected += (again.toarray() > 0).sum(axis=0) - (rows[5:15].toarray() > 0).sum(axis=0)
    np.testing.assert_array_equal(document_frequencies(tmp_path / "index"), expected)


def test_figures_by_hand(tmp_path: Path) -> None:
    model = SparseModel.load(write_model(tmp_path / "model"))
    frequencies = np.zeros(model.vocabulary_size, np.int64)
    queen, sheet = (model.encode_query([word]).indices[0] for word in ("queen", "sheet"))
    frequencies[[queen, sheet, 0]] = [4, 1, 5]
    sparsity = measure_sparsity(model, ["queen sheet queen", "sheet"], frequencies, 5)
    assert sparsity.query_active_dims == 1.5
    assert sparsity.corpus_active_dims == 2
    assert sparsity.query_sparsity_ratio == 1 - 1.5 / model.vocabulary_size
    assert sparsity.corpus_sparsity_ratio == 1 - 2 / model.vocabulary_size
    assert sparsity.avg_flops == pytest.approx(0.5 * 4 / 5 + 1 * 1 / 5)
    assert list(sparsity.to_dict()) == [
        "query_active_dims",
        "query_sparsity_ratio",
        "corpus_active_dims",
        "corpus_sparsity_ratio",
        "avg_flops",
    ]
