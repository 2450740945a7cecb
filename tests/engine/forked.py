"""Work in a forked process."""

from __future__ import annotations

import gc
import os
import traceback
import warnings
from collections.abc import Callable


def in_child(work: Callable[[], object]) -> None:
    """Run in a forked process, which ends as servers' do: collected, without clean-up."""
    with warnings.catch_warnings():
        # That threads of this process may hold locks is what some tests are about.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            gc.collect()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
