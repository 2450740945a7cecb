"""`engine search`: the best documents for a query, or for each line of standard input."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.examples import WithExamples
from engine.cli.options import Names, Text, rho_option, shared_options
from engine.cli.outcome import complain
from engine.cli.query_lines import QueryLine, read_query_lines
from engine.errors import UsageError

if TYPE_CHECKING:
    from engine import SearchEngine, SearchResults


@dataclass(frozen=True, slots=True)
class _Request:
    k: int
    offset: int
    explain: bool
    rho: float | None
    as_json: bool
    fields: tuple[str, ...] | None


@click.command(
    cls=WithExamples,
    short_help="Search the index.",
    examples=[
        "engine search sábana queen",
        'engine search "¿Hay toallas de baño?" -k 3 --fields title,price',
        "engine search - --json < queries.txt > answers.jsonl",
    ],
)
@click.argument("query", nargs=-1, required=True, type=Text(), metavar="QUERY")
@click.option(
    "-k",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    metavar="N",
    help="How many hits to show.",
)
@click.option(
    "--offset",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="How many of the best hits to leave out first.",
)
@click.option("--explain", is_flag=True, help="Show what each matched token contributes.")
@click.option(
    "--fields",
    type=Names(),
    multiple=True,
    metavar="NAMES",
    help="Fields of the documents to show, separated by commas; all if left out.",
)
@rho_option
@shared_options
def search(
    query: tuple[str, ...],
    k: int,
    offset: int,
    explain: bool,
    fields: tuple[tuple[str, ...], ...],
    rho: float | None,
    index_path: Path,
    as_json: bool,
) -> int:
    """Search for QUERY, in English or Spanish; - reads one query a line from standard input.

    With --json each answer is one JSON object on one line. Blank lines are skipped. Lines that
    cannot be answered are reported and the rest goes on; the exit status is then 1.
    """
    from engine import SearchEngine

    names = tuple(chain.from_iterable(fields)) or None
    request = _Request(k, offset, explain, rho, as_json, names)
    with SearchEngine.open(index_path) as engine:
        if query == ("-",):
            return _answer_lines(engine, request)
        _show(_search(engine, " ".join(query), request), request)
    return 0


def _search(engine: SearchEngine, query: str, request: _Request) -> SearchResults:
    # People always see which words matched; programs ask for it.
    explain = request.explain or not request.as_json
    return engine.search(query, request.k, offset=request.offset, explain=explain, rho=request.rho)


def _show(results: SearchResults, request: _Request) -> None:
    if request.as_json:
        from engine.cli.json_output import print_json

        print_json(results.to_dict(request.fields))
        return
    from engine.cli.hits import print_results

    print_results(results, request.fields, offset=request.offset, explain=request.explain)


def _answer_lines(engine: SearchEngine, request: _Request) -> int:
    if sys.stdin is None:
        raise UsageError("standard input is closed; give the query as an argument")
    if sys.stdin.isatty():
        click.echo("One query a line; Ctrl-D ends.", err=True)
    failed = False
    answered = 0
    for line in read_query_lines(sys.stdin.buffer):
        try:
            if line.error is not None:
                raise UsageError(line.error)
            results = _search(engine, line.text, request)
        except UsageError as error:
            failed = True
            _refuse(line, error, request)
            continue
        if answered and not request.as_json:
            click.echo()
        _show(results, request)
        sys.stdout.flush()
        answered += 1
    return 1 if failed else 0


def _refuse(line: QueryLine, error: UsageError, request: _Request) -> None:
    if request.as_json:
        from engine.cli.json_output import print_json

        print_json({"query": line.text, "error": str(error)})
    else:
        complain(f"line {line.number}: {error}")
