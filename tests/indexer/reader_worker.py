"""Readers of an index that is written to: each answer must be that of some commit, and none older.

Arguments: a folder with `index`, `published` (see `published_answers`) and, in the end, `done`.
Forks one process for each way to read; exits with 1 if one of them has seen something wrong, which
it says on standard error. Prints how many answers were checked.
"""

from __future__ import annotations

import gc
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from engine import SearchEngine
from tests.indexer.published_answers import QUERIES, Published, answer

# Of memory that belongs to one process alone; a commit of this index takes some kilobytes of it.
_GROWTH_KB = 24_000
_WARM_ANSWERS = 60


class Checker:
    """Checks answers, and that none is of an earlier commit than the one before."""

    def __init__(self, folder: Path) -> None:
        self.published = Published(folder / "published")
        self.index = folder / "index"
        self.done = folder / "done"
        self.checked = 0
        self._least = 0
        self._warm_kb = 0

    def renewed(self) -> None:
        """From here on answers must be at least of what was committed up to now."""
        self.published.read_on()
        self._least = max(self._least, self.published.committed)

    def check(self, engine: SearchEngine) -> None:
        for number in range(len(QUERIES)):
            found = answer(engine, number)
            step = self.published.first_step(number, found, self._least)
            assert step is not None, (
                f"query {number}: the answer of no step from {self._least} on "
                f"({self.published.committed} are committed)"
            )
            self._least = step
            self.checked += 1
        if self._warm_kb == 0 and self.checked >= _WARM_ANSWERS:
            gc.collect()
            self._warm_kb = own_memory_kb()

    def finish(self, engine: SearchEngine) -> None:
        """All that was written is seen, and nothing of earlier commits is held any more."""
        engine.refresh()
        self.renewed()
        self.check(engine)
        gc.collect()
        grown = own_memory_kb() - self._warm_kb
        assert not self._warm_kb or grown < _GROWTH_KB, f"{grown} kB more than after warming up"
        assert maps_of("data.mdb") == 1
        assert maps_of("lock.mdb") == 1


def own_memory_kb() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0])


def maps_of(name: str) -> int:
    """How many mappings of files of that name this process has, deleted ones included."""
    return sum(f"/{name}" in line for line in Path("/proc/self/maps").read_text().splitlines())


def with_refresh(checker: Checker) -> None:
    with SearchEngine.open(checker.index) as engine:
        while not checker.done.exists():
            checker.check(engine)
            checker.renewed()
            engine.refresh()
        checker.finish(engine)


def with_auto_refresh(checker: Checker, seconds: float) -> None:
    with SearchEngine.open(checker.index, auto_refresh=seconds) as engine:
        while not checker.done.exists():
            if seconds == 0:
                checker.renewed()
            checker.check(engine)
        checker.finish(engine)


def with_a_pause(checker: Checker) -> None:
    """A commit that is held while many others follow."""
    with SearchEngine.open(checker.index) as engine:
        while not checker.done.exists():
            before = [answer(engine, number) for number in range(len(QUERIES))]
            checker.check(engine)
            time.sleep(0.3)
            assert before == [answer(engine, number) for number in range(len(QUERIES))]
            checker.renewed()
            engine.refresh()
        checker.finish(engine)


WAYS: list[Callable[[Checker], None]] = [
    with_refresh,
    lambda checker: with_auto_refresh(checker, 0),
    lambda checker: with_auto_refresh(checker, 0.05),
    with_a_pause,
]


def main() -> int:
    folder = Path(sys.argv[1])
    children = []
    for way in WAYS:
        child = os.fork()
        if not child:
            code = 1
            try:
                checker = Checker(folder)
                way(checker)
                # In one piece: the others write to the same pipe.
                os.write(1, f"{checker.checked}\n".encode())
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        children.append(child)
    print("ready", flush=True)
    return max(int(os.waitpid(child, 0)[1] != 0) for child in children)


if __name__ == "__main__":
    sys.exit(main())
