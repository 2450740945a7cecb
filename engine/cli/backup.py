"""`engine backup`: a compact copy of the index, made while writing goes on."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from engine.cli.examples import WithExamples
from engine.cli.options import TextPath, shared_options
from engine.cli.streams import is_closed
from engine.errors import IndexWriteError, UsageError


@click.command(
    cls=WithExamples,
    short_help="Copy the index while it is in use.",
    examples=[
        "engine backup /backups/shop.index",
        "engine backup --to-stdout > shop.mdb",
    ],
)
@click.argument("destination", required=False, type=TextPath(), metavar="[DEST]")
@click.option(
    "--to-stdout",
    is_flag=True,
    help="Write the copy's one file, data.mdb, to standard output.",
)
@shared_options
def backup(destination: Path | None, to_stdout: bool, index_path: Path, as_json: bool) -> None:
    """Write the newest commit of the index to the folder DEST, an index of its own.

    The copy is compact, and everything in it is checked on the way. DEST must not exist yet or be
    empty. Searches and a writer may be at work meanwhile. To restore a backup made with
    --to-stdout, put it into an empty folder as data.mdb.
    """
    if (destination is None) != to_stdout:
        raise UsageError("name the folder for the backup, or --to-stdout, and not both")
    if destination is None:
        _stream(index_path, as_json)
        return
    from engine.cli.byte_progress import byte_progress
    from engine.storage.backup import back_up

    begun = time.perf_counter()
    with byte_progress("copying") as advance:
        copied = back_up(index_path, destination, progress=advance)
    seconds = time.perf_counter() - begun
    if as_json:
        from engine.cli.json_output import print_json

        print_json(
            {
                "index": str(index_path),
                "backup": str(destination),
                "bytes": copied,
                "seconds": round(seconds, 3),
            },
            indented=True,
        )
        return
    from engine.cli.output import PlainConsole, duration, plain, size

    PlainConsole().print(
        plain(f"Copied {index_path} to {destination}: {size(copied)} in {duration(seconds)}"),
        soft_wrap=True,
    )


def _stream(index_path: Path, as_json: bool) -> None:
    if as_json:
        raise UsageError("standard output is for the backup or for --json, not both")
    if is_closed("stdout"):
        raise IndexWriteError("standard output is closed, so the backup has nowhere to go")
    if sys.stdout.isatty():
        raise UsageError(
            "a backup is nothing for a terminal; send it to a file, as in "
            "engine backup --to-stdout > shop.mdb"
        )
    from engine.cli.byte_progress import byte_progress
    from engine.storage.backup import stream_backup

    with byte_progress("copying") as advance:
        stream_backup(index_path, sys.stdout.buffer, progress=advance)
