"""`engine sync`: make an index equal to a catalog."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.cli.catalog_options import CatalogRequest, catalog_options
from engine.cli.examples import WithExamples
from engine.cli.extras import needs_extra
from engine.cli.options import shared_options
from engine.cli.outcome import complain
from engine.cli.shown_ids import shown_ids
from engine.errors import CatalogError, UsageError

if TYPE_CHECKING:
    from indexer.catalog import CatalogReader, RejectLog
    from indexer.catalog_difference import ChangedIds
    from indexer.sync import DeletionLimits, SyncSummary


@click.command(
    cls=WithExamples,
    short_help="Make the index equal to catalogs.",
    examples=[
        "engine sync catalog.jsonl --dry-run",
        "engine sync catalog.jsonl",
        "curl -s https://shop.example/feed.jsonl | engine sync - --max-delete 1000",
    ],
)
@catalog_options
@click.option(
    "--dry-run",
    is_flag=True,
    help="Only tell what would be done; with --json, to which ids.",
)
@click.option(
    "--max-delete",
    type=click.IntRange(min=0),
    metavar="N",
    help="Change nothing if more documents than N would be deleted.",
)
@click.option(
    "--allow-delete-all",
    is_flag=True,
    help="Go on with a catalog that is empty, or has no id in common with the index.",
)
@click.option(
    "--ignore-rejects",
    is_flag=True,
    help="Delete what is gone even when the catalog holds bad records, any of which may be that "
    "of a product that seems gone.",
)
@shared_options
def sync(
    dry_run: bool,
    max_delete: int | None,
    allow_delete_all: bool,
    ignore_rejects: bool,
    index_path: Path,
    as_json: bool,
    **options: Any,
) -> int:
    """Add, replace and delete documents, so that the index holds the products of CATALOG files.

    All catalogs together are the whole: what is in none of them is deleted, at the end. Products
    whose text is unchanged are not encoded again. An empty or broken catalog changes nothing.
    Needs the extra [indexer].
    """
    from engine.cli.first_search import search_once
    from engine.cli.index_place import check_place, rejects_path
    from engine.cli.progress import waiting
    from engine.cli.spool import spooled_stdin

    request = CatalogRequest(**options)
    if not dry_run:
        _refuse_pipes(request.catalogs)
    rejects_file = rejects_path(request.rejects_file, index_path, request.catalogs)
    if not dry_run:
        with waiting("waiting for another writer" if request.wait else "starting"):
            request = replace(request, wait=check_place(index_path, request.wait))
    request = request.with_settings_of(index_path)
    with waiting("loading"), needs_extra("indexer"):
        from indexer.catalog import RejectLog
        from indexer.sync import DeletionLimits

    limits = DeletionLimits(all=allow_delete_all, despite_rejects=ignore_rejects, most=max_delete)
    with (
        spooled_stdin(request.catalogs) as stdin,
        RejectLog(None if dry_run else rejects_file) as rejects,
    ):
        try:
            summary = _run(request, index_path, rejects, limits, stdin, dry_run=dry_run)
        except CatalogError as error:
            raise request.with_origin(error) from error
    if not dry_run:
        with waiting("getting ready to search"):
            search_once(index_path)
    if as_json:
        _print_json(summary, rejects, index_path, request)
    else:
        _print(summary, rejects, index_path, request)
    if summary.withheld:
        complain(
            f"{summary.withheld:,} documents that the catalog lacks "
            f"{'would be' if dry_run else 'were'} kept, because one of its bad records may be "
            "theirs: mend those, or delete all the same with --ignore-rejects"
        )
        return 1
    return 0


def _refuse_pipes(catalogs: Sequence[str]) -> None:
    for catalog in catalogs:
        if catalog != "-" and Path(catalog).is_fifo():
            raise UsageError(
                f"{catalog} is a pipe, and sync reads catalogs twice; send it to standard input "
                "and say - instead"
            )


def _run(
    request: CatalogRequest,
    index_path: Path,
    rejects: RejectLog,
    limits: DeletionLimits,
    stdin: Path | None,
    *,
    dry_run: bool,
) -> SyncSummary:
    from engine.cli.progress import LatestPass, progress_of
    from indexer.sync import sync_catalog

    passes = LatestPass()

    def open_reader(log: RejectLog) -> CatalogReader:
        reader = request.reader(log, stdin, allow_empty=limits.all)
        passes.begin(reader)
        return reader

    with progress_of(passes, "comparing") as advance, needs_extra("indexer"):
        return sync_catalog(
            open_reader,
            request.model(),
            index_path,
            rejects=rejects,
            limits=limits,
            dry_run=dry_run,
            batch_size=request.batch_size,
            max_active_dims=request.max_active_dims,
            progress=advance,
            wait=request.wait,
        )


def _print_json(
    summary: SyncSummary, rejects: RejectLog, index_path: Path, request: CatalogRequest
) -> None:
    from engine.cli.index_summary import settings_fields
    from engine.cli.json_output import print_json

    difference, indexing = summary.difference, summary.indexing
    ids = difference.ids
    print_json(
        {
            "index": str(index_path),
            "dry_run": ids is not None,
            "added": difference.added,
            "replaced": difference.replaced,
            "updated": difference.updated,
            "unchanged": difference.unchanged,
            "deleted": summary.deleted,
            "withheld": summary.withheld,
            **({} if ids is None else {"ids": _ids(summary, ids)}),
            "documents": summary.documents,
            "encoded": indexing.indexed,
            "truncated": indexing.truncated,
            "rejected": {reason.value: n for reason, n in rejects.counts.items()},
            "first_rejects": [asdict(reject) for reject in rejects.first.values()],
            "rejects_file": str(rejects.path) if rejects.total and rejects.path else None,
            **settings_fields(request),
            "seconds": round(summary.seconds, 3),
        },
        indented=True,
    )


def _ids(summary: SyncSummary, ids: ChangedIds) -> dict[str, list[str]]:
    gone = summary.difference.gone
    return {
        **asdict(ids),
        "deleted": gone if summary.deleted else [],
        "withheld": gone if summary.withheld else [],
    }


def _print(
    summary: SyncSummary, rejects: RejectLog, index_path: Path, request: CatalogRequest
) -> None:
    from engine.cli.index_summary import print_rejects, settings_rows, source_rows
    from engine.cli.output import PlainConsole, count, duration, facts, plain
    from indexer.catalog_difference import ChangedIds

    console = PlainConsole()
    difference = summary.difference
    dry_run = difference.ids is not None
    ids = difference.ids or ChangedIds()
    gone = difference.gone if summary.deleted else []
    head = plain("Nothing was changed; a sync would do this" if dry_run else "Synchronized")
    head.stylize("bold")
    console.print(head.append(f" in {duration(summary.seconds)}" * (not dry_run), "not bold"))

    def which(changed: Sequence[str]) -> str:
        return f": {shown_ids(changed)}" if dry_run and changed else ""

    rows = [row for choice in summary.indexing.fields for row in source_rows(choice)]
    rows += settings_rows(request)
    rows += [
        ("added", f"{count(difference.added, 'document')}{which(ids.added)}"),
        (
            "replaced",
            f"{count(difference.replaced, 'document')} with another text{which(ids.replaced)}",
        ),
        (
            "updated",
            f"{count(difference.updated, 'document')} with the same text, not encoded"
            f"{which(ids.updated)}",
        ),
        ("unchanged", count(difference.unchanged, "document")),
        ("deleted", f"{count(summary.deleted, 'document')}{which(gone)}"),
    ]
    console.print(facts(rows))
    print_rejects(rejects, console)
    console.print()
    total = count(summary.documents, "document")
    console.print(plain(f"{index_path} {'would hold' if dry_run else 'holds'} {total}"))
