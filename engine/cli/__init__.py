"""The command line: `engine index`, `engine search` and their kin."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit: 0 done, 1 the work failed, 2 wrong usage, 130 interrupted.

    Wrong usage is also the name of an index, a model or a file that is not there, or that is a
    folder where a file is meant or the other way round. A model that the hub cannot serve is 1.

    Args:
        arguments: what follows the program's name; by default what it was called with.
    """
    from engine.cli.group import engine
    from engine.cli.outcome import INTERRUPTED, run

    code = run(engine, sys.argv[1:] if arguments is None else arguments)
    if code == INTERRUPTED:
        # People press Ctrl-C twice. The second would meet an interpreter that is shutting down
        # with threads of the encoder still at work, and end in an abort.
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
