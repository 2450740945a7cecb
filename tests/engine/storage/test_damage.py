"""Damage: the right answer or a clear refusal; never a wrong one, never a dead process.

And verification reports all that changes what is stored.
"""

from __future__ import annotations

import json
import random
import struct
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix, random_array

import indexer.inversion
from engine.storage.page_audit import TreeRoot, read_meta_pages
from indexer.vector_index import write_index

PAGE = 4096
BRANCH, LEAF, OVERFLOW = 1, 2, 4
BIG_DATA = 1
CASES_OF_A_WORKER = 1000
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small index of three segments with dense rows, stored documents and tombstones.

    It has pages of every kind: a branch, leaves, a free list, large values of one page and more.
    """
    path = tmp_path_factory.mktemp("damage") / "index"
    rng = np.random.default_rng(3)
    rare = random_array((160, 160), density=0.08, rng=rng, dtype=np.float32)
    frequent = random_array((160, 20), density=0.6, rng=rng, dtype=np.float32)
    vectors = csr_matrix(np.hstack([rare.toarray(), frequent.toarray()]))
    ids = [f"id-{at}" for at in range(160)]
    documents = [{"title": f"product {at}", "words": "cotton sheet " * 3} for at in range(160)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(indexer.inversion, "MIN_DENSE_DOCUMENTS", 100)
        write_index(path, vectors, ids, documents, max_weight=2)
        write_index(path, vectors[:30], ids[10:40], documents[:30])
        write_index(path, vectors[30:33], ids[38:41], documents[:3])
    return path


@pytest.fixture(scope="module")
def data(index: Path) -> bytes:
    return (index / "data.mdb").read_bytes()


def live_tree_pages(index: Path, data: bytes) -> dict[int, int]:
    """Pages of both trees of the newest commit, by number, with their kind."""
    newest = max(read_meta_pages(index / "data.mdb"), key=lambda meta: meta.transaction)
    kinds: dict[int, int] = {}

    def visit(number: int) -> None:
        page = data[number * PAGE : (number + 1) * PAGE]
        flags, lower = struct.unpack_from("<HH", page, 10)
        kinds[number] = flags
        if flags == BRANCH:
            for at in struct.unpack_from(f"<{(lower - 16) // 2}H", page, 16):
                low, high = struct.unpack_from("<HH", page, at)
                visit(low | high << 16)

    trees: tuple[TreeRoot, ...] = (newest.main, newest.free)
    for tree in trees:
        visit(tree.root)
    return kinds


def outcomes(index: Path, folder: Path, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What came of each case; a worker has so few that only one that hangs meets its limit."""
    results: list[dict[str, Any]] = []
    for begin in range(0, len(cases), CASES_OF_A_WORKER):
        results += _outcomes(index, folder, cases[begin : begin + CASES_OF_A_WORKER])
    return results


def _outcomes(index: Path, folder: Path, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    file = folder / "cases.jsonl"
    file.write_text("".join(json.dumps(case) + "\n" for case in cases))
    worker = subprocess.run(
        [sys.executable, "-m", "tests.engine.storage.damage_worker", index, folder, file],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    results = [json.loads(line) for line in worker.stdout.splitlines()][1:]
    assert len(results) == len(cases), (
        f"the process died of {cases[len(results)]} (exit {worker.returncode}): {worker.stderr}"
    )
    return results


def check(cases: list[dict[str, Any]], results: list[dict[str, Any]]) -> Counter[str]:
    for case, result in zip(cases, results, strict=True):
        assert result["outcome"] in {"right", "refused"}, (case, result)
        assert not any("\n" in line for line in [result["detail"], *result["reported"]])
        # Damage of pages that this commit has no use for changes nothing and need not be told.
        is_harmless = result["outcome"] == "right" and result["same"]
        assert result["reported"] or is_harmless, (case, result)
    return Counter(result["outcome"] for result in results)


def test_the_index_has_pages_of_every_kind(index: Path, data: bytes) -> None:
    assert set(live_tree_pages(index, data).values()) == {BRANCH, LEAF}
    heads = [
        page
        for page in range(2, len(data) // PAGE)
        if struct.unpack_from("<Q2xH", data, page * PAGE) == (page, OVERFLOW)
    ]
    lengths = {
        int.from_bytes(data[page * PAGE + 12 : page * PAGE + 16], "little") for page in heads
    }
    assert 1 in lengths
    assert max(lengths) > 1


def test_flipped_bytes(index: Path, data: bytes, tmp_path: Path) -> None:
    """Every byte of page headers and of the meta pages, and some of each page's contents.

    The pages inside a large value have no header.
    """
    rng = random.Random(5)
    offsets = [*range(152), *range(PAGE, PAGE + 152), 152, PAGE + 152]
    for page in range(2, len(data) // PAGE):
        begin = page * PAGE
        if int.from_bytes(data[begin : begin + 8], "little") == page:
            offsets += range(begin, begin + 16)
        offsets += [begin + rng.randrange(PAGE) for _ in range(4)]
    cases = [{"flip": [offset, 1 << rng.randrange(8)]} for offset in offsets]
    # Transaction numbers decide which commit is served: every bit of their low bytes.
    cases += [{"flip": [at, 1 << bit]} for at in (144, PAGE + 144) for bit in range(8)]
    counts = check(cases, outcomes(index, tmp_path, cases))
    assert counts["refused"] > len(cases) // 4


def test_flipped_bytes_of_tree_pages(index: Path, data: bytes, tmp_path: Path) -> None:
    """The pages that LMDB follows blindly: all that gives them structure, and more.

    Each byte of headers, node offsets, node headers and page numbers; of keys and of small values
    those at either end and some between.
    """
    rng = random.Random(7)
    cases = []
    for number, kind in live_tree_pages(index, data).items():
        page = data[number * PAGE : (number + 1) * PAGE]
        lower = int.from_bytes(page[12:14], "little")
        chosen = set(range(8, lower))
        for at in struct.unpack_from(f"<{(lower - 16) // 2}H", page, 16):
            low, high, flags, key_size = struct.unpack_from("<HHHH", page, at)
            value = at + 8 + key_size
            size = 0 if kind == BRANCH else 8 if flags & BIG_DATA else low | high << 16
            chosen.update(range(at, at + 8))
            chosen.update((at + 8, value - 1, *rng.choices(range(at, value), k=2)))
            if size <= 8:
                chosen.update(range(value, value + size))
            else:
                chosen.update((value, value + size - 1))
                chosen.update(rng.choices(range(value, value + size), k=3))
        for at in sorted(chosen):
            cases.append({"flip": [number * PAGE + at, 1 << rng.randrange(8)]})
    counts = check(cases, outcomes(index, tmp_path, cases))
    assert counts["refused"] > len(cases) // 2


@pytest.mark.soak
@pytest.mark.parametrize("part", range(8))
def test_flipped_bytes_everywhere(index: Path, data: bytes, tmp_path: Path, part: int) -> None:
    """Every seventh byte, in eight parts, so that it is seen how far it has come."""
    rng = random.Random(13 + part)
    cases = [{"flip": [at, 1 << rng.randrange(8)]} for at in range(7 * part, len(data), 56)]
    counts = check(cases, outcomes(index, tmp_path, cases))
    print(f"{len(cases)} bytes flipped of {len(data)}: {dict(counts)}")
    # Most pages hold earlier commits, which nothing reads.
    assert counts["refused"] > len(cases) // 5


def test_truncated_files(index: Path, data: bytes, tmp_path: Path) -> None:
    sizes = {0, 1, 100, 152, *range(PAGE, len(data), PAGE), len(data) - 1, 2 * PAGE + 7}
    cases = [{"truncate": at} for at in sorted(sizes)]
    counts = check(cases, outcomes(index, tmp_path, cases))
    assert counts["refused"] == len(cases)


def test_pages_that_changed_places(index: Path, data: bytes, tmp_path: Path) -> None:
    """Two pages swapped are each well-formed; what they hold is not what belongs there."""
    pages = len(data) // PAGE
    trees = sorted(live_tree_pages(index, data))
    rng = random.Random(11)
    pairs = [rng.sample(range(pages), 2) for _ in range(40)]
    pairs += [[a, b] for a in trees for b in trees if a < b]
    cases = [{"swap": pair} for pair in pairs]
    check(cases, outcomes(index, tmp_path, cases))
