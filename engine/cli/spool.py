"""Standard input that must be read twice."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.errors import CatalogError


@contextlib.contextmanager
def spooled_stdin(catalogs: Sequence[str]) -> Iterator[Path | None]:
    """Give a temporary file with all of standard input, None where no catalog is `-`.

    Raises:
        CatalogError: standard input is closed, or there is no room for the file.
    """
    if "-" not in catalogs:
        yield None
        return
    if sys.stdin is None:
        raise CatalogError("<stdin>: standard input is closed. Name a file instead.")
    with tempfile.TemporaryDirectory(prefix="engine-") as folder:
        file = Path(folder) / "stdin"
        try:
            with file.open("wb") as target:
                shutil.copyfileobj(sys.stdin.buffer, target)
        except OSError as error:
            raise CatalogError(
                f"{file}: standard input cannot be kept to be read twice: {error.strerror}; name "
                "a file instead, or another folder with TMPDIR"
            ) from error
        yield file
