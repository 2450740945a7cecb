"""Writers that are to be killed, one after another, in forks of a process that has all loaded.

Arguments: what to do, and a folder. For each line of standard input a process is forked that does
it; lines on standard output say its number, what it has done, and `dead` when it has ended.

- `steps`: steps of `crash_steps`, each said when it is committed; every seventh compacts before.
- `index`, `sync`, `rebuild`: the catalog named in the line into `index`. Says `encoded` with the
  texts before they are encoded, `committed` after a checkpoint, and `done`; then waits.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine import IndexNotFoundError, SearchEngine
from indexer import catalog_run, catalog_windows, pipeline
from indexer.catalog import CatalogReader, RejectLog
from indexer.compaction import compact
from indexer.index_writer import IndexWriter
from indexer.rebuild import rebuild_index
from indexer.sync import DeletionLimits, sync_catalog
from tests.indexer.crash_steps import MARKER, MAX_WEIGHT, WIDTH, do_step
from tests.indexer.word_model import WordModel

WINDOW = 16
_COMPACT_EVERY = 7


def say(*words: object) -> None:
    # In one piece, so that a process which is killed says all of it or nothing.
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def steps(folder: Path, _: str) -> None:
    path = folder / "index"
    try:
        with SearchEngine.open(path) as engine:
            done = engine.get(MARKER)["steps"] if MARKER in engine else 0
    except IndexNotFoundError:
        done = 0
    while True:
        with IndexWriter(path, vocabulary_size=WIDTH, max_weight=MAX_WEIGHT) as writer:
            for _at in range(_COMPACT_EVERY):
                done += 1
                do_step(writer, done)
                say(done)
        compact(path)


def catalog(command: str, folder: Path, name: str) -> None:
    def encoded(texts: Sequence[str]) -> None:
        say("encoded", *(text.replace(" ", ",") for text in texts))

    checkpoint = IndexWriter.checkpoint

    def told(self: IndexWriter) -> None:
        checkpoint(self)
        say("committed")

    IndexWriter.checkpoint = told  # type: ignore[method-assign]
    catalog_run.CHECKPOINT_SECONDS = 0.0
    catalog_windows.WINDOW = WINDOW
    model = WordModel(model_name(command, name), encoded)
    fill(command, folder / name, folder / "index", model)
    say("done")


def model_name(command: str, catalog: str) -> str:
    """Rebuilding takes another model each time."""
    return catalog if command == "rebuild" else "words"


def fill(command: str, catalog: Path, path: Path, model: Any) -> None:
    """Take a catalog into an index, as the command of that name does."""

    def reader(rejects: RejectLog) -> CatalogReader:
        return CatalogReader([catalog], rejects=rejects)

    if command == "index":
        pipeline.index_catalog(reader(RejectLog()), model, path)
    elif command == "sync":
        sync_catalog(reader, model, path, limits=DeletionLimits(all=True))
    else:
        rebuild_index(reader(RejectLog()), model, path)


def warm_up() -> None:
    """Load and compile all that a writer needs, once for all forks."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        with IndexWriter(path, vocabulary_size=WIDTH, max_weight=MAX_WEIGHT) as writer:
            for number in range(1, 4):
                do_step(writer, number)
        compact(path)
        with SearchEngine.open(path) as engine:
            assert MARKER in engine


def serve(command: str, folder: Path) -> None:
    for line in sys.stdin:
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            say("dead")
            continue
        say(os.getpid())
        if command == "steps":
            steps(folder, line.strip())
        else:
            catalog(command, folder, line.strip())
        # Whoever started it kills it: its number must not become that of another process.
        signal.pause()


if __name__ == "__main__":
    warm_up()
    serve(sys.argv[1], Path(sys.argv[2]))
