from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.array_stream import ArrayStream


def test_pieces_come_back_as_one_array(tmp_path: Path) -> None:
    path = tmp_path / "values.npy"
    with ArrayStream(path, np.float32) as stream:
        for piece in ([1.0, 2.0], [], [3.0] * 12_345):
            stream.append(np.array(piece, np.float32))
    stored = np.load(path, mmap_mode="r")
    assert stored.dtype == np.float32
    np.testing.assert_array_equal(stored, [1.0, 2.0, *[3.0] * 12_345])


def test_nothing_is_an_empty_array(tmp_path: Path) -> None:
    with ArrayStream(tmp_path / "values.npy", np.int64):
        pass
    assert np.load(tmp_path / "values.npy").shape == (0,)


def test_another_type_is_refused(tmp_path: Path) -> None:
    with (
        ArrayStream(tmp_path / "values.npy", np.int32) as stream,
        pytest.raises(TypeError, match="int64 in a file of int32"),
    ):
        stream.append(np.zeros(1, np.int64))
