"""Hard negatives: documents that the model finds for a query and that do not answer it.

They are found as they would be in use: the documents are encoded and indexed, and the index is
searched.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from engine import SearchEngine
from engine.usable_cpus import usable_cpus
from indexer.index_writer import IndexWriter
from indexer.model import SparseModel
from training.configuration import Mining
from training.data.example import Example

_WINDOW = 4096
_QUERIES_AT_ONCE = 1024


def mine_negatives(
    model: SparseModel,
    examples: Sequence[Example],
    mining: Mining,
    progress: Callable[[int], None] | None = None,
) -> list[Example]:
    """Return the examples with mined negatives behind those that they have.

    Documents are looked for among those of all examples. No negative is a document that some
    example gives for the same query, or one whose example has the same key, or one that scores
    above `mining.margin` (unless 0) of the score of the example's own document: most such are right
    answers that nobody noted down. Examples with teacher scores stay as they are, for a mined
    negative has none. `progress` is called with the number of documents newly encoded.
    """
    texts = list(dict.fromkeys(example.document for example in examples))
    number = {text: at for at, text in enumerate(texts)}
    answers: dict[str, set[int]] = {}
    keys: dict[str, set[int]] = {}
    for example in examples:
        at = number[example.document]
        answers.setdefault(example.query.casefold(), set()).add(at)
        if example.key:
            keys.setdefault(example.key, set()).add(at)
    wanted = [at for at, example in enumerate(examples) if not example.scores]
    if mining.max_examples and len(wanted) > mining.max_examples:
        step = len(wanted) / mining.max_examples
        wanted = [wanted[int(place * step)] for place in range(mining.max_examples)]
    mined = list(examples)
    with tempfile.TemporaryDirectory(prefix="mining-") as folder:
        index = Path(folder) / "index"
        _write(model, texts, index, progress)
        with SearchEngine.open(index) as engine:
            for start in range(0, len(wanted), _QUERIES_AT_ONCE):
                part = wanted[start : start + _QUERIES_AT_ONCE]
                hits = _search(engine, [examples[at].query for at in part], mining)
                for at, found in zip(part, hits, strict=True):
                    example = examples[at]
                    right = answers[example.query.casefold()] | keys.get(example.key, set())
                    negatives = _negatives(found, number[example.document], right, mining)
                    have = {example.document, *example.negatives}
                    new = [texts[each] for each in negatives if texts[each] not in have]
                    chosen = (*example.negatives, *new[: mining.negatives])
                    mined[at] = replace(example, negatives=chosen)
    return mined


def _write(
    model: SparseModel,
    texts: Sequence[str],
    index: Path,
    progress: Callable[[int], None] | None,
) -> None:
    with IndexWriter(index, model=model) as writer:
        for start in range(0, len(texts), _WINDOW):
            part = texts[start : start + _WINDOW]
            ids = [str(at) for at in range(start, start + len(part))]
            writer.add(ids, model.encode_document(part, progress=progress))


def _search(
    engine: SearchEngine, queries: Sequence[str], mining: Mining
) -> list[list[tuple[int, float]]]:
    results = engine.search_batch(queries, mining.skip + mining.depth, threads=usable_cpus())
    return [[(int(hit.id), hit.score) for hit in result.hits] for result in results]


def _negatives(
    found: Sequence[tuple[int, float]], own: int, right: set[int], mining: Mining
) -> list[int]:
    # An own document that is not among the hits scores less than all of them.
    own_score = next((score for at, score in found if at == own), 0.0)
    highest = mining.margin * own_score if mining.margin else float("inf")
    return [at for at, score in found[mining.skip :] if at not in right and score <= highest]
