from __future__ import annotations

import os
import sys

import pytest

from benchmarks.preemption import preemptions


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts them in /proc")
def test_preemptions_of_this_process_only_grow() -> None:
    before, after = preemptions(os.getpid()), preemptions(os.getpid())
    assert before is not None
    assert after is not None
    assert 0 <= before <= after


def test_nobody_knows_those_of_a_process_that_is_not_there() -> None:
    assert preemptions(1 << 22) is None
