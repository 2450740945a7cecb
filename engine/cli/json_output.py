"""JSON on standard output, without what it takes to print for people."""

from __future__ import annotations

import json
import sys
from typing import Any

import click


def print_json(value: Any, *, indented: bool = False) -> None:
    """Print JSON in UTF-8 and flush it: on one line, or indented for a person at a terminal."""
    indent = 2 if indented and sys.stdout.isatty() else None
    click.echo(json.dumps(value, ensure_ascii=False, indent=indent))
    sys.stdout.flush()
