"""Arrays too large for memory, written to `.npy` files piece by piece."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt


class ArrayStream:
    """One `.npy` file of one dimension that grows; readable once closed.

    NumPy pads the header so that the number of rows can be written over in place afterwards.
    """

    def __init__(self, path: Path, dtype: npt.DTypeLike) -> None:
        self._dtype = np.dtype(dtype)
        self._length = 0
        self._file = path.open("wb")
        self._header_bytes = self._write_header()

    def __enter__(self) -> ArrayStream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.seek(0)
        grown = self._write_header()
        self._file.close()
        if grown != self._header_bytes:
            raise AssertionError(f"the header grew from {self._header_bytes} to {grown} bytes")

    def append(self, values: npt.NDArray[Any]) -> None:
        """Write (n,) more values, of the dtype of this stream."""
        if values.dtype != self._dtype:
            raise TypeError(f"an array of {values.dtype} in a file of {self._dtype}")
        self._file.write(np.ascontiguousarray(values).data)
        self._length += len(values)

    def _write_header(self) -> int:
        description = np.lib.format.dtype_to_descr(self._dtype)
        header = {"descr": description, "fortran_order": False, "shape": (self._length,)}
        np.lib.format.write_array_header_1_0(self._file, header)
        return self._file.tell()
