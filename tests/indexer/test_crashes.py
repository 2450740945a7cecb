"""Writers killed with SIGKILL at random moments: whole commits stay, and nothing half-done."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from engine import IndexNotFoundError, SearchEngine
from engine.storage.snapshot import Snapshot
from engine.storage.verification import verify_index
from indexer import catalog_windows
from indexer.index_writer import IndexWriter
from tests.engine.cli.commands import environment
from tests.indexer.crash_steps import MARKER, MAX_WEIGHT, WIDTH, contents
from tests.indexer.crash_worker import WINDOW, fill, model_name
from tests.indexer.word_model import WORDS, WordModel

ROOT = Path(__file__).parents[2]
Answers = list[list[tuple[str, float, Any]]]


class KillableWriter:
    """Runs `crash_worker`, and kills what it forks."""

    def __init__(self, command: str, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.indexer.crash_worker", command, str(folder)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout

    def __enter__(self) -> KillableWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate(timeout=600)

    def start(self, work: str = "") -> None:
        self._stdin.write(f"{work}\n")
        self._stdin.flush()
        self._writer = int(self._stdout.readline())

    def line(self) -> str:
        """What it says next."""
        return self._stdout.readline().strip()

    def kill_after(self, seconds: float) -> list[str]:
        """Kill it after so long; returns what it said until then."""
        time.sleep(seconds)
        os.kill(self._writer, signal.SIGKILL)
        return [line.strip() for line in iter(self._stdout.readline, "dead\n")]


def assert_sound(path: Path) -> None:
    assert [str(problem) for problem in verify_index(path, deep=True)] == []


def answers(path: Path, width: int = WIDTH) -> Answers:
    queries = [([at], [1.0]) for at in range(width)]
    queries.append((list(range(width)), np.linspace(0.3, 2, width).tolist()))
    with SearchEngine.open(path) as engine:
        return [
            [(hit.id, hit.score, hit.document) for hit in engine.search_vector(*query, k=10_000)]
            for query in queries
        ]


def stored(path: Path) -> dict[str, Any]:
    """All live documents by id, in their order."""
    snapshot = Snapshot(path)
    found = {}
    for segment in snapshot.segments:
        for document in range(segment.record.documents):
            if not segment.is_deleted(document):
                found[segment.id_of(document)] = json.loads(
                    segment.stored_document(document) or b""
                )
    assert len(found) == snapshot.manifest.documents
    snapshot.close()
    return found


def assert_holds_step(path: Path, done: int) -> None:
    """What an index holds after a step, down to its answers."""
    expected = contents(done)
    assert stored(path) == {name: document for name, (_, document) in expected.items()}
    fresh = path.parent / f"fresh-{done}"
    with IndexWriter(fresh, vocabulary_size=WIDTH, max_weight=MAX_WEIGHT) as writer:
        rows = np.array([row for row, _ in expected.values()], np.float32)
        writer.add(
            list(expected), csr_matrix(rows), [document for _, document in expected.values()]
        )
    assert answers(path) == answers(fresh)


def kill_steps(folder: Path, kills: int) -> None:
    path = folder / "index"
    rng = random.Random(kills)
    known = 0
    with KillableWriter("steps", folder) as writer:
        for _ in range(kills):
            writer.start()
            known = max(known, *map(int, [writer.line(), *writer.kill_after(rng.random() * 0.3)]))
            assert_sound(path)
            done = stored(path)[MARKER]["steps"]
            # What it had no time to say may have been committed.
            assert done in (known, known + 1)
            assert_holds_step(path, done)


RECORDS = 300
_PATIENCE = 6


def write_catalog(path: Path, seed: int) -> Path:
    """Records of which a third are in all catalogs, a third has new fields, a third new text."""
    rng = random.Random(seed)
    with path.open("w", encoding="utf-8") as file:
        for at in rng.sample(range(RECORDS * 4 // 3), RECORDS):
            version = seed if at % 3 == 0 else 0
            words = random.Random(1000 * version + at).sample(WORDS, 1 + at % 7)
            record = {"id": f"p{at}", "title": " ".join([*words, f"p{at}"]), "fill": "x" * 500}
            if at % 3 == 1:
                record["version"] = str(seed)
            file.write(json.dumps(record) + "\n")
    return path


def records(path: Path) -> dict[str, Any]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return {record["id"]: record for record in map(json.loads, lines)}


def kill_runs(folder: Path, kills: int, command: str) -> None:
    """Runs over one catalog after another, each killed and begun again until it has finished."""
    path, unbroken = folder / "index", folder / "unbroken"
    rng = random.Random(kills)
    killed = number = 0
    before: dict[str, Any] = {}
    with KillableWriter(command, folder) as writer:
        while killed < kills:
            number += 1
            catalog = write_catalog(folder / f"catalog{number}.jsonl", number)
            wanted = records(catalog)
            for attempt in itertools.count():
                had = committed(path / "rebuild" if command == "rebuild" else path)
                writer.start(catalog.name)
                said = [writer.line()]
                while attempt >= _PATIENCE and said[-1] != "done":
                    said.append(writer.line())
                said += writer.kill_after(rng.random() * 0.3 if attempt < _PATIENCE else 0)
                killed += attempt < _PATIENCE
                assert_nothing_twice(said, had, wanted)
                now = committed(path)
                if now:
                    assert_sound(path)
                    assert_told(path, said, command)
                assert_between(before, now, wanted, command)
                if "done" in said:
                    break
            with pytest.MonkeyPatch.context() as patch:
                # Of a window, what has new fields only comes before what is encoded.
                patch.setattr(catalog_windows, "WINDOW", WINDOW)
                fill(command, catalog, unbroken, WordModel(model_name(command, catalog.name)))
            assert answers(path, len(WORDS)) == answers(unbroken, len(WORDS))
            before = committed(path)
            if command != "index":
                assert before == wanted


def committed(path: Path) -> dict[str, Any]:
    try:
        return stored(path)
    except IndexNotFoundError:
        return {}


def assert_told(path: Path, said: list[str], command: str) -> None:
    """A run that was killed between two of its commits is known to be unfinished."""
    with SearchEngine.open(path) as engine:
        unfinished = [run.command for run in engine.info().unfinished]
    if "done" in said:
        assert not unfinished
    elif "committed" in said:
        # The last commit, which says nothing here, may be done.
        assert unfinished in ([command], [])
    assert set(unfinished) <= {command}


def assert_nothing_twice(said: list[str], had: dict[str, Any], wanted: dict[str, Any]) -> None:
    """What was committed with the same text before a run began is not encoded in it."""
    known = {had[name]["title"] for name in had.keys() & wanted.keys()}
    for line in said:
        if line.startswith("encoded "):
            texts = {text.replace(",", " ") for text in line.split()[1:]}
            assert not texts & known


def assert_between(
    before: dict[str, Any], now: dict[str, Any], wanted: dict[str, Any], command: str
) -> None:
    """Each document is as it was or as it shall be, and none is missing that shall stay."""
    if command == "rebuild":
        assert now in (before, wanted)
        return
    for name, document in now.items():
        assert document in (before.get(name), wanted.get(name))
    staying = before.keys() if command == "index" else before.keys() & wanted.keys()
    assert staying <= now.keys()


def test_killed_while_it_updates(tmp_path: Path) -> None:
    kill_steps(tmp_path, 8)


@pytest.mark.parametrize("command", ["index", "sync", "rebuild"])
def test_killed_while_it_takes_a_catalog(tmp_path: Path, command: str) -> None:
    kill_runs(tmp_path, 4, command)


@pytest.mark.soak
def test_killed_a_hundred_times_while_it_updates(tmp_path: Path) -> None:
    kill_steps(tmp_path, 100)


@pytest.mark.soak
@pytest.mark.parametrize("command", ["index", "sync", "rebuild"])
def test_killed_fifty_times_while_it_takes_catalogs(tmp_path: Path, command: str) -> None:
    kill_runs(tmp_path, 50, command)
