"""Collecting dense activations, batch by batch and in any order, into one CSR matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from scipy.sparse import csr_matrix


@dataclass(frozen=True)
class SparseRows:
    """The positive entries of some rows: `counts` of them a row, with columns and values."""

    rows: np.ndarray
    counts: np.ndarray
    columns: np.ndarray
    values: np.ndarray


def positive_entries(
    rows: np.ndarray,
    dense: torch.Tensor,
    activate: Callable[[torch.Tensor], torch.Tensor],
    max_active_dims: int | None,
) -> SparseRows:
    """Take the positive entries out of `dense` (len(rows), columns), through `activate`.

    `activate` is a monotone function that keeps positive numbers positive; applying it here means
    applying it to the few positive entries alone. `max_active_dims` is how many of the largest
    entries of a row are kept (None: all); of equal entries the one with the lower column stays.
    """
    flat = dense.reshape(-1)
    if dense.device.type == "cpu":
        # NumPy finds them several times faster than torch does.
        positions = np.flatnonzero(flat.numpy() > 0)
        values = activate(torch.from_numpy(flat.numpy()[positions])).numpy()
    else:
        on_device = (flat > 0).nonzero().squeeze(1)
        values = activate(flat[on_device]).cpu().numpy()
        positions = on_device.cpu().numpy()
    starts = np.arange(len(rows) + 1, dtype=np.int64) * dense.shape[1]
    bounds = np.searchsorted(positions, starts)
    columns = (positions - np.repeat(starts[:-1], np.diff(bounds))).astype(np.int32)
    if max_active_dims is not None:
        kept = largest_positions(columns, values, bounds, max_active_dims)
        columns, values = columns[kept], values[kept]
        bounds = np.searchsorted(kept, bounds)
    return SparseRows(rows, np.diff(bounds), columns, values)


def changed_vectors(
    entries: SparseRows, change: Callable[[csr_matrix], csr_matrix], columns: int
) -> SparseRows:
    """Return what `change` makes of the rows as a matrix (rows, `columns`), sorted indices."""
    bounds = np.concatenate([[0], np.cumsum(entries.counts)])
    shape = (len(entries.rows), columns)
    changed = change(csr_matrix((entries.values, entries.columns, bounds), shape=shape))
    return SparseRows(
        entries.rows, np.diff(changed.indptr), changed.indices.astype(np.int32), changed.data
    )


def assemble(parts: Sequence[SparseRows], shape: tuple[int, int]) -> csr_matrix:
    """Join parts, which together hold each row once, to a float32 CSR matrix of `shape`."""
    if not parts:
        return csr_matrix(shape, dtype=np.float32)
    indptr = np.concatenate([[0], np.cumsum(np.concatenate([part.counts for part in parts]))])
    values = np.concatenate([part.values for part in parts])
    columns = np.concatenate([part.columns for part in parts])
    arrived = csr_matrix((values, columns, indptr), shape=shape)
    ordered = arrived[np.argsort(np.concatenate([part.rows for part in parts]))]
    ordered.has_sorted_indices = True
    return ordered


def largest_positions(
    columns: np.ndarray, values: np.ndarray, bounds: np.ndarray, limit: int
) -> np.ndarray:
    """Return the positions, in order, of the `limit` largest values of each row.

    Row i is at `bounds[i]` to `bounds[i + 1]`; of equal values those with the lower columns stay.
    """
    kept = np.ones(len(values), dtype=np.bool_)
    for start, stop in pairwise(bounds.tolist()):
        if stop - start > limit:
            by_value = np.lexsort((columns[start:stop], -values[start:stop]))
            kept[start + by_value[limit:]] = False
    return np.flatnonzero(kept)
