from __future__ import annotations

from pathlib import Path

from training.data.example import Example
from training.data.reading import read_examples
from training.data.writing import examples_digest, write_examples

EXAMPLES = [
    Example("sábana", "sheet", ("cup", "hose"), (3.0, 1.5, 0.1), "k", "sheet"),
    Example("q", "d"),
]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_examples(tmp_path / "a.jsonl.gz", EXAMPLES)
    assert list(read_examples(tmp_path / "a.jsonl.gz")) == EXAMPLES
    before = (tmp_path / "a.jsonl.gz").read_bytes()
    write_examples(tmp_path / "b.jsonl.gz", EXAMPLES)
    assert (tmp_path / "b.jsonl.gz").read_bytes() == before


def test_a_digest_knows_content_and_order() -> None:
    assert examples_digest(EXAMPLES) == examples_digest(list(EXAMPLES))
    assert examples_digest(EXAMPLES) != examples_digest(EXAMPLES[::-1])
    assert examples_digest(EXAMPLES) != examples_digest(EXAMPLES[:1])
