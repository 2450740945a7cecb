"""Opens indexes in which somebody changed values and made the checksums right again.

Run as a process of its own, so that an index that kills it is told from one that is refused.
Arguments: an intact index, a folder to work in, a seed, how many. Prints one line a case.
"""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from engine import EngineError, SearchEngine, verify_index
from engine.storage import keys
from engine.storage.block import piece_checksum, row_stride
from indexer import IndexWriter
from tests.engine.storage.resealing import payloads, reseal

Change = Callable[[random.Random, bytes], bytes | None]


def _flipped(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 8))):
        if changed:
            changed[rng.randrange(len(changed))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
    return bytes(changed)


CHANGES: list[Change] = [
    _flipped,
    _flipped,
    lambda rng, data: data[: rng.randrange(len(data) + 1)],
    lambda rng, data: data + rng.randbytes(rng.choice((1, 4, 8, 4096))),
    lambda rng, data: bytes(len(data)),
    lambda rng, data: b"\xff" * len(data),
    lambda rng, data: b"",
    lambda rng, data: None,
    lambda rng, data: data[::-1],
]
NUMBERS: list[Any] = [
    *(0, -1, 1, 2, 127, 65535, 65536, 1 << 31, 1 << 40, 1 << 63, 1 << 70),
    *(1.5, None, "1", []),
]


def changed_json(rng: random.Random, data: bytes) -> bytes:
    """Another value somewhere in a JSON document."""
    document: Any = json.loads(data)
    at = document
    for _ in range(rng.randrange(1, 6)):
        key = rng.choice(list(at) if isinstance(at, dict) else range(len(at)))
        if not isinstance(at[key], dict | list) or not at[key] or rng.random() < 0.2:
            break
        parent, at = at, at[key]
    else:
        at = parent
    at[key] = rng.choice(NUMBERS)
    return json.dumps(document).encode()


def with_right_checksums(stored: dict[bytes, bytes], change: dict[bytes, bytes | None]) -> None:
    """Recompute the checksums of the terms of a block whose postings were changed."""
    for key in list(change):
        if key.rsplit(b"/", 1)[-1] not in (b"postings", b"high", b"low", b"offsets", b"rows"):
            continue
        folder = key.rsplit(b"/", 1)[0]
        parts = {
            name: np.frombuffer({**stored, **change}[folder + b"/" + name.encode()] or b"", dtype)
            for name, dtype in keys.BLOCK_PARTS.items()
        }
        count = len(parts["terms"])
        stride = row_stride(len(stored))
        sums = [
            piece_checksum(
                parts["postings"][parts["offsets"][slot] : parts["offsets"][slot + 1]],
                parts["high"],
                parts["low"],
                int(parts["rows"][slot]),
                stride,
            )
            for slot in range(min(count, len(parts["offsets"]) - 1, len(parts["rows"])))
        ]
        change[folder + b"/checksums"] = np.array(sums, "<u4").tobytes()


def use(path: Path) -> None:
    """Everything that reads a value."""
    verify_index(path, deep=True)
    with SearchEngine.open(path) as engine:
        size = engine.info().vocabulary_size
        terms = np.arange(min(size, 1000))
        engine.search("w1 w2 w3", k=5, explain=True)
        for hit in engine.search_vector(terms, np.ones(len(terms)), k=100, explain=True):
            assert isinstance(hit.document, dict)
            engine.explain("w1 w2", hit.id)
        for identifier in ("id-1", "id-77", "nobody"):
            if identifier in engine:
                engine.get(identifier)
    with IndexWriter(path) as writer:
        writer.delete(["id-3"])
        if not writer.unknown(["id-1"]):
            writer.update_documents(["id-1"], [{"n": 2}])


def main() -> None:
    intact, folder = Path(sys.argv[1]), Path(sys.argv[2])
    rng = random.Random(int(sys.argv[3]))
    stored = payloads(intact)
    for _ in range(int(sys.argv[4])):
        key = rng.choice(sorted(stored))
        change: dict[bytes, bytes | None] = {}
        if key in (keys.MANIFEST, keys.TOKENIZER) and rng.random() < 0.9:
            change[key] = changed_json(rng, stored[key])
        else:
            change[key] = rng.choice(CHANGES)(rng, stored[key])
        with contextlib.suppress(ValueError, IndexError):
            with_right_checksums(stored, change)
        copy = folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(intact, copy)
        reseal(copy, change)
        # Said before it is tried: the last line names what killed the process.
        print(key.decode(), (change[key] or b"")[:40], end=" ", flush=True)
        try:
            use(copy)
            print("answered", flush=True)
        except EngineError as error:
            print("refused:", error, flush=True)
        except Exception as error:
            print("traceback:", repr(error), flush=True)


if __name__ == "__main__":
    main()
