"""A writer in a process of its own, to be killed, limited or refused.

Arguments: what to do, and the index.

- `forever`: for each line of standard input, starts a process that commits segments of some large
  documents one after another. Prints the number of that process, the number of documents after
  each of its commits, and `dead` when it was killed.
- `limited`: for each number of standard input, tries to commit while no file may grow beyond so
  many bytes, and prints what came of it.
- `hold`: takes the writer lock, prints its number, and waits for a line of standard input.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

from engine import EngineError
from engine.storage.writer_lock import writer_lock
from tests.engine.storage.contents import large_segment, open_store

DOCUMENTS_A_COMMIT = 7


def say(what: object) -> None:
    # In one piece, so that a process which is killed says all of it or nothing.
    os.write(1, f"{what}\n".encode())


def forever(path: Path) -> None:
    for _ in sys.stdin:
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            say("dead")
            continue
        say(os.getpid())
        with open_store(path) as store:
            while True:
                store.commit([large_segment(store.manifest.documents, DOCUMENTS_A_COMMIT)])
                say(store.manifest.documents)


def limited(path: Path) -> None:
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    for line in sys.stdin:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(line), hard))
        try:
            with open_store(path) as store:
                store.commit([large_segment(store.manifest.documents, 20)])
            print("committed", flush=True)
        except EngineError as error:
            print(f"{type(error).__name__}: {error}", flush=True)


def hold(path: Path) -> None:
    with writer_lock(path):
        print(os.getpid(), flush=True)
        sys.stdin.readline()


if __name__ == "__main__":
    {"forever": forever, "limited": limited, "hold": hold}[sys.argv[1]](Path(sys.argv[2]))
