"""`engine info`: what is in an index."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.examples import WithExamples
from engine.cli.options import shared_options
from engine.results import IndexInfo

if TYPE_CHECKING:
    from engine.cli.output import PlainConsole


_STDIN = "<stdin>"  # as runs name it


@click.command(
    cls=WithExamples,
    short_help="Show what is in the index.",
    examples=[
        "engine info",
        "engine info --index /srv/shop.index --json",
    ],
)
@shared_options
def info(index_path: Path, as_json: bool) -> None:
    """Show counts, sizes and the model of the index."""
    from engine import SearchEngine
    from engine.cli.json_output import print_json

    with SearchEngine.open(index_path) as engine:
        found = engine.info()
    if as_json:
        print_json(found.to_dict(), indented=True)
    else:
        _print(found)


def _print(found: IndexInfo) -> None:
    from engine.cli.output import PlainConsole, facts, plain, size

    console = PlainConsole()
    console.print(plain(found.path).append(f"  {size(found.file_bytes)}", "dim"))
    console.print(
        facts(
            [
                ("documents", f"{found.documents:,}"),
                ("deleted", f"{found.deleted:,}"),
                ("segments", f"{found.segments:,}"),
                ("blocks", f"{found.blocks:,}"),
                ("postings", f"{found.postings:,}"),
                ("terms", f"{found.terms:,} of {found.vocabulary_size:,} in the vocabulary"),
                ("active dimensions", f"{found.active_dimensions:.1f} a document"),
                ("quantization step", f"{found.quantization_step:.3g}"),
                ("model", found.model or "none: vectors of one's own"),
                ("fingerprint", found.fingerprint or "none"),
                ("settings", shlex.join(found.catalog_settings.options()) or "none stored"),
                ("format version", found.format_version),
                ("written by", f"sabana-search {found.software}"),
            ]
        )
    )
    _print_unfinished(console, found)
    console.print()
    console.print("Bytes by part")
    parts = sorted(found.bytes_by_part.items(), key=lambda part: -part[1])
    console.print(facts((name, size(stored)) for name, stored in parts))


def _print_unfinished(console: PlainConsole, found: IndexInfo) -> None:
    from engine.cli.output import plain

    if not found.unfinished:
        if found.writer_at_work:
            console.print()
            console.print("A writer is at work.")
        return
    console.print()
    for run in found.unfinished:
        command = "index --rebuild" if run.command == "rebuild" else run.command
        catalogs = shlex.join("-" if name == _STDIN else name for name in run.catalogs)
        what = f"engine {command} {catalogs}, begun {run.begun}"
        if found.writer_at_work:
            console.print(plain(f"Unfinished: {what}. A writer is at work."))
        else:
            console.print(
                plain(
                    f"Interrupted: {what}. The same command, with the options that it had, goes "
                    "on where it was."
                ),
                soft_wrap=True,
            )
