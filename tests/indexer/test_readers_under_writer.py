"""Readers in other processes while an index is updated and compacted without a pause."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine import verify_index
from indexer.compaction import compact
from indexer.index_writer import IndexWriter
from tests.engine.cli.commands import environment
from tests.indexer.crash_steps import MAX_WEIGHT, WIDTH, do_step
from tests.indexer.published_answers import Publisher
from tests.indexer.reader_worker import WAYS

ROOT = Path(__file__).parents[2]
_STEPS_A_WRITER = 11
_COMPACT_EVERY = 3 * _STEPS_A_WRITER
# A commit that somebody reads keeps its pages, and those of the ones after it: a reader here keeps
# one while a dozen or more follow, each of which may merge all documents anew: 22 to 27 times the
# compact size were seen. What nobody frees grows far beyond.
_MOST_TIMES_COMPACT = 60


def write_steps(path: Path, publisher: Publisher, numbers: range) -> None:
    with IndexWriter(path, vocabulary_size=WIDTH, max_weight=MAX_WEIGHT) as writer:
        for number in numbers:
            publisher.announce(number)
            do_step(writer, number)
            publisher.acknowledge(number)


def read_while_writing(folder: Path, seconds: float) -> None:
    path = folder / "index"
    publisher = Publisher(folder / "published")
    write_steps(path, publisher, range(1, 2))
    with subprocess.Popen(
        [sys.executable, "-m", "tests.indexer.reader_worker", folder],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as readers:
        assert readers.stdout is not None
        assert readers.stdout.readline() == "ready\n"
        end = time.monotonic() + seconds
        sizes = []
        compact_sizes = []
        for number in itertools.count(2, _STEPS_A_WRITER):
            write_steps(path, publisher, range(number, number + _STEPS_A_WRITER))
            sizes.append((path / "data.mdb").stat().st_size)
            if (number - 2) % _COMPACT_EVERY == 0:
                compact_sizes.append(compact(path).bytes)
            if time.monotonic() >= end or readers.poll() is not None:
                break
        (folder / "done").touch()
        out, err = readers.communicate(timeout=300)
    publisher.close()
    assert (readers.returncode, err) == (0, "")
    # The last check of each reader is of the last commit.
    assert len(out.split()) == len(WAYS)
    assert all(int(checked) > 3 for checked in out.split())
    assert max(sizes) < _MOST_TIMES_COMPACT * max(compact_sizes)
    assert verify_index(path, deep=True).is_sound
    assert sorted(file.name for file in path.iterdir()) == ["data.mdb", "lock.mdb", "writer.lock"]


def test_each_answer_is_that_of_a_commit(tmp_path: Path) -> None:
    read_while_writing(tmp_path, 4)


@pytest.mark.soak
def test_each_answer_is_that_of_a_commit_for_a_minute(tmp_path: Path) -> None:
    read_while_writing(tmp_path, 60)
