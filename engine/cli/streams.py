"""Standard streams that never fail for what is written to them, whatever the locale is."""

from __future__ import annotations

import io
import os
import re
import sys
from pathlib import Path
from typing import TextIO

# Control characters could move the cursor or recolour the terminal, marks of writing direction
# could make a line read as another: none of them belongs in a line of output.
_NOT_PRINTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_BREAKS = re.compile(r"\s*[\r\n\t\u2028\u2029]+\s*")


def use_utf8() -> None:
    """Make standard output and error UTF-8; what cannot be encoded comes out as an escape."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the caller: print to nowhere
            setattr(sys, name, _nowhere())
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def is_closed(name: str) -> bool:
    """Whether the caller closed `stdout` or `stderr`, so that what is printed goes nowhere."""
    return getattr(sys, f"__{name}__") is None


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")


def discard_output() -> None:
    """Send what is left of standard output to nowhere: its reader has gone, or its disk is full."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def one_line(text: str) -> str:
    """Return `text` as one line that is safe to print: no line breaks, no control characters."""
    return _NOT_PRINTED.sub("\N{REPLACEMENT CHARACTER}", _BREAKS.sub(" ", text))
