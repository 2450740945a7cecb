"""`engine delete`: documents out of an index, by their ids."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import click

from engine.cli.examples import WithExamples
from engine.cli.extras import needs_extra
from engine.cli.id_lines import read_ids
from engine.cli.options import Text, TextPath, shared_options, wait_option
from engine.cli.shown_ids import shown_ids
from engine.errors import DocumentNotFoundError, UsageError

# Deleted in commits of so many, so that memory is bounded however long the list is.
_BATCH = 1 << 16


@click.command(
    cls=WithExamples,
    short_help="Delete documents by their ids.",
    examples=[
        "engine delete BED-001 BED-002",
        "engine delete --ids discontinued.txt",
    ],
)
@click.argument("ids", nargs=-1, type=Text(), metavar="[ID]...")
@click.option(
    "--ids",
    "files",
    type=TextPath(),
    multiple=True,
    metavar="FILE",
    help="File with one id a line; - reads standard input. May be given several times.",
)
@click.option("--strict", is_flag=True, help="Delete nothing if an id is not in the index.")
@wait_option
@shared_options
def delete(
    ids: tuple[str, ...],
    files: tuple[Path, ...],
    strict: bool,
    wait: float,
    index_path: Path,
    as_json: bool,
) -> None:
    """Delete the documents with the given IDs.

    Ids that are not in the index are told, and are no error without --strict. Searches that are
    under way are not disturbed. Needs the extra [indexer].
    """
    listed = chain.from_iterable(read_ids(file) for file in files)
    wanted = list(dict.fromkeys(chain(ids, listed)))
    if not wanted and not files:
        raise UsageError("name the ids to delete, or a file of them with --ids FILE")
    with needs_extra("indexer"):
        from indexer.index_writer import IndexWriter

    unknown: list[str] = []
    with IndexWriter(index_path, wait=wait) as writer:
        if strict:
            _refuse_unknown(writer.unknown(wanted), index_path)
        for begin in range(0, len(wanted), _BATCH):
            unknown += writer.delete(wanted[begin : begin + _BATCH])
            writer.commit()
        documents = len(writer)
    deleted = len(wanted) - len(unknown)
    if as_json:
        from engine.cli.json_output import print_json

        print_json(
            {
                "index": str(index_path),
                "deleted": deleted,
                "unknown": unknown,
                "documents": documents,
            },
            indented=True,
        )
    else:
        _print(deleted, unknown, documents, index_path)


def _refuse_unknown(unknown: list[str], index_path: Path) -> None:
    if unknown:
        more = f" and {len(unknown) - 1:,} more" if len(unknown) > 1 else ""
        raise DocumentNotFoundError(
            f"{index_path} has no document with id {unknown[0]!r}{more}; nothing was deleted"
        )


def _print(deleted: int, unknown: list[str], documents: int, index_path: Path) -> None:
    from engine.cli.output import PlainConsole, count, plain

    console = PlainConsole()
    console.print(
        plain(f"Deleted {count(deleted, 'document')}; {index_path} holds {documents:,}"),
        soft_wrap=True,
    )
    if unknown:
        told = f"{count(len(unknown), 'id')} not in the index: {shown_ids(unknown)}"
        console.print(plain(told))
