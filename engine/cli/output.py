"""What all commands print with for people: a console, and how numbers look."""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from collections.abc import Iterable
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from engine.cli.streams import one_line

_WIDTH_OF_FILES = 100
_NARROWEST = 40
_PADDING = re.compile(" +$", re.MULTILINE)


class PlainConsole(Console):
    """A console that prints texts as they are: no markup, no emoji codes, no guessed colours."""

    def __init__(self, file: TextIO | None = None) -> None:
        file = sys.stdout if file is None else file
        # A file or a pipe has no width: wrap where a long line is still easy to read.
        width = None if file.isatty() or os.environ.get("COLUMNS") else _WIDTH_OF_FILES
        super().__init__(file=file, markup=False, emoji=False, highlight=False, width=width)
        self.width = max(self.width, _NARROWEST)

    def print(self, *objects: Any, **settings: Any) -> None:
        """Print as `Console.print` does, without the spaces that pad lines to the width."""
        if self.is_terminal:
            super().print(*objects, **settings)
            return
        with self.capture() as captured:
            super().print(*objects, **settings)
        self.file.write(_PADDING.sub("", captured.get()))

    def on_broken_pipe(self) -> None:
        """Leave it to the caller; rich would end the process with status 1."""
        raise BrokenPipeError


def plain(value: Any) -> Text:
    """Return a value as text that is safe to print on a terminal, on one line."""
    return Text(one_line(str(value)))


def facts(rows: Iterable[tuple[str, Any]]) -> Table:
    """Return a borderless table of names and values."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, value if isinstance(value, Text) else plain(value))
    return table


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Return such as `1 document` or `1,024 documents`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def size(number: int) -> str:
    """Return a number of bytes such as `1.4 MB` (powers of 1,000)."""
    value, unit = float(number), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{number:,} bytes" if unit == "bytes" else f"{value:,.1f} {unit}"


def duration(seconds: float) -> str:
    """Return such as `0.4 s`, `12 s`, `3 min 20 s` or `2 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def normalise(name: str) -> str:
    """Return a field name without case, accents and separators: `Product Name` is `productname`."""
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    return "".join(character for character in decomposed if character.isalnum())
