"""`engine explain`: why a document has its score."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from engine.cli.examples import WithExamples
from engine.cli.options import Text, shared_options
from engine.results import Explanation


@click.command(
    cls=WithExamples,
    short_help="Show why a document has its score.",
    examples=[
        'engine explain "sábana queen" BED-001',
    ],
)
@click.argument("query", nargs=-1, required=True, type=Text(), metavar="QUERY")
@click.argument("id", type=Text(), metavar="ID")
@shared_options
def explain(query: tuple[str, ...], id: str, index_path: Path, as_json: bool) -> None:
    """Show which tokens of QUERY the document with the given ID matches.

    Each contributes its weight in the query times its weight in the document; the contributions
    sum to the score.
    """
    from engine import SearchEngine
    from engine.cli.hits import headline
    from engine.cli.json_output import print_json

    with SearchEngine.open(index_path) as engine:
        explanation = engine.explain(" ".join(query), id)
        document = engine.get(id)
    if as_json:
        print_json(asdict(explanation), indented=True)
    else:
        _print(explanation, headline(document, id)[1])


def _print(explanation: Explanation, title: str) -> None:
    from rich.table import Table
    from rich.text import Text

    from engine.cli.output import PlainConsole, plain

    console = PlainConsole()
    head = plain(title)
    head.stylize("bold")
    if title != explanation.id:
        head.append("  ").append(plain(explanation.id).plain, "dim")
    console.print(head)
    if not explanation.matches and not explanation.missing:
        console.print("No word of this query is in the model's vocabulary, so nothing can match.")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), show_footer=bool(explanation.matches))
    table.add_column("token", Text("score", "bold"), overflow="fold")
    for name in ("query weight", "document weight"):
        table.add_column(name, justify="right")
    total = Text(f"{explanation.score:.4f}", "bold")
    table.add_column("contribution", total, justify="right")
    rows: list[tuple[Any, ...]] = [
        (plain(match.token), match.weight, match.document_weight, match.contribution)
        for match in explanation.matches
    ]
    for token, *numbers in rows:
        table.add_row(token, *(f"{number:.4f}" for number in numbers))
    for missing in explanation.missing:
        table.add_row(plain(missing.token), f"{missing.weight:.4f}", "-", "-", style="dim")
    console.print(table)
    if not explanation.matches:
        console.print("The document is indexed under no token of this query; its score is 0.")
