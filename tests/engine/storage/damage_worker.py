"""Opens damaged copies of an index, one after another, and says what came of each.

Run as a process of its own, so that a copy that kills it is told from one that is refused.
Arguments: the intact index, a folder to work in, a file of cases (JSON lines of
`{"flip": [offset, xor]}`, `{"truncate": size}` or `{"swap": [page, page]}`). Prints one JSON line
a case: what came of searching, what verification reports, and whether the stored values are still
those of the intact index.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

from engine import EngineError, SearchEngine, verify_index
from engine.storage.snapshot import Snapshot

PAGE = 4096
VOCABULARY = 180


def answers(path: Path) -> list[Any]:
    """What an index says to questions that read every part of it.

    Two queries of many terms each, so that every posting list and dense row is verified and
    scored; then every stored document, every id, and some of the ways back from an id.
    """
    with SearchEngine.open(path) as engine:
        said: list[Any] = [len(engine)]
        for seed in range(2):
            terms = np.arange(seed, VOCABULARY, 2)
            results = engine.search_vector(terms, np.ones(len(terms)), k=40)
            said.append([(hit.id, hit.score) for hit in results])
        snapshot = Snapshot(path)
        try:
            for segment in snapshot.segments:
                count = segment.record.documents
                said += [segment.stored_document(document) for document in range(count)]
                said += [bytes(segment.part("ids")), segment.part("id-offsets").tolist()]
                said += [segment.content_hash(document) for document in range(0, count, 10)]
            said += [snapshot.find(f"id-{at}") for at in range(0, 60, 7)]
        finally:
            snapshot.close()
    return said


def apply(case: dict[str, Any], data: bytearray) -> bytearray:
    if "truncate" in case:
        return data[: case["truncate"]]
    if "swap" in case:
        a, b = (slice(page * PAGE, (page + 1) * PAGE) for page in case["swap"])
        data[a], data[b] = data[b], data[a]
        return data
    offset, mask = case["flip"]
    data[offset] ^= mask
    return data


def values(path: Path) -> dict[bytes, bytes]:
    snapshot = Snapshot(path)
    try:
        return {key: bytes(value) for key, value in snapshot.entries()}
    finally:
        snapshot.close()


def told(path: Path, right: list[Any]) -> tuple[str, str]:
    try:
        return ("right" if answers(path) == right else "wrong"), ""
    except EngineError as error:
        return "refused", str(error)
    except Exception as error:
        return "traceback", repr(error)


def verified(path: Path) -> list[str]:
    try:
        return [str(damage) for damage in verify_index(path, deep=True)]
    except EngineError as error:
        return [str(error)]


def is_same(path: Path, stored: dict[bytes, bytes]) -> bool:
    try:
        return values(path) == stored
    except EngineError:
        return False


def main() -> None:
    intact, folder, cases = (Path(argument) for argument in sys.argv[1:])
    right, stored = answers(intact), values(intact)
    original = (intact / "data.mdb").read_bytes()
    print(json.dumps({"outcome": "ready"}), flush=True)
    for line in cases.read_text().splitlines():
        damaged = folder / "damaged"
        shutil.rmtree(damaged, ignore_errors=True)
        damaged.mkdir()
        (damaged / "data.mdb").write_bytes(apply(json.loads(line), bytearray(original)))
        outcome, detail = told(damaged, right)
        result = {
            "outcome": outcome,
            "detail": detail,
            "reported": verified(damaged),
            "same": is_same(damaged, stored),
        }
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
