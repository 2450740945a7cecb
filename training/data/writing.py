"""Writing training examples, in the form in which `reading` reads them."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from training.atomic_directory import replace_file
from training.data.example import Example


def write_examples(path: Path, examples: Iterable[Example]) -> None:
    """Write JSON Lines in gzip; the same examples give the same bytes."""

    def write(new: Path) -> None:
        # No name and no time in the header of the gzip file.
        with new.open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
            for example in examples:
                packed.write(_line(example))

    replace_file(path, write)


def examples_digest(examples: Iterable[Example]) -> str:
    """Return a SHA-256 (hex) of examples and their order."""
    digest = hashlib.sha256()
    for example in examples:
        digest.update(_line(example))
    return digest.hexdigest()


def _line(example: Example) -> bytes:
    row: dict[str, Any] = {"query": example.query, "document": example.document}
    for name in ("negatives", "scores", "key", "teacher_query"):
        value = getattr(example, name)
        if value:
            row[name] = list(value) if isinstance(value, tuple) else value
    return (json.dumps(row, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")
