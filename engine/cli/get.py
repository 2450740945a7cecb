"""`engine get`: one stored document."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli.examples import WithExamples
from engine.cli.options import Text, shared_options


@click.command(
    cls=WithExamples,
    short_help="Show a stored document.",
    examples=[
        "engine get BED-001",
    ],
)
@click.argument("id", type=Text(), metavar="ID")
@shared_options
def get(id: str, index_path: Path, as_json: bool) -> None:
    """Show the document with the given ID as it was indexed, in JSON."""
    from engine import SearchEngine
    from engine.cli.json_output import print_json

    with SearchEngine.open(index_path) as engine:
        document = engine.get(id)
    print_json(document, indented=True)
