"""How the commands of this folder end: a failure is one line, and Ctrl-C leaves no traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable

INTERRUPTED = 130


def run(main: Callable[[], int | None]) -> int:
    """Return the exit code of a command, 1 and a line on standard error where files failed it."""
    try:
        return main() or 0
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        reason = error.strerror or str(error)
        print(f"error: {f'{error.filename}: ' if error.filename else ''}{reason}", file=sys.stderr)
        return 1
