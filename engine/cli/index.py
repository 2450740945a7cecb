"""`engine index`: catalogs into an index."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.cli.catalog_options import CatalogRequest, catalog_options
from engine.cli.examples import WithExamples
from engine.cli.extras import needs_extra
from engine.cli.options import shared_options
from engine.cli.outcome import complain
from engine.errors import CatalogError, IndexDamagedError, IndexFormatError, UsageError

if TYPE_CHECKING:
    from indexer.catalog import CatalogReader, RejectLog


@click.command(
    cls=WithExamples,
    short_help="Build or update an index from catalogs.",
    examples=[
        "engine index catalog.jsonl",
        "engine index products.csv.gz --id-field sku --text-field name --text-field details",
        "zcat feed.jsonl.gz | engine index - --index shop.index",
        "engine index catalog.jsonl --rebuild --text-field title --text-field brand",
    ],
)
@catalog_options
@click.option(
    "--rebuild",
    is_flag=True,
    help="Build the index anew beside the old one, with any model and fields, and switch at the "
    "end.",
)
@click.option(
    "--ignore-rejects",
    is_flag=True,
    help="With --rebuild: switch even when the catalog holds bad records.",
)
@shared_options
def index(
    rebuild: bool, ignore_rejects: bool, index_path: Path, as_json: bool, **options: Any
) -> None:
    """Encode the products of CATALOG files and add them to the index.

    Catalogs are JSON Lines, CSV or TSV, plain or gzip, or Parquet; - reads standard input. A
    product whose id is in the index already is replaced, one whose text is unchanged is not encoded
    again, so that the same command goes on where an earlier run was interrupted. Bad records are
    set aside and reported. An existing index keeps its model, and fields and --max-active-dims as
    a run was last told. Needs the extra [indexer].
    """
    from engine.cli.first_search import search_once
    from engine.cli.index_place import check_place, rejects_path
    from engine.cli.progress import progress_of, waiting

    if ignore_rejects and not rebuild:
        raise UsageError("--ignore-rejects goes with --rebuild; otherwise bad records are no error")
    request = CatalogRequest(**options)
    settings_are_lost = False
    rejects_file = rejects_path(request.rejects_file, index_path, request.catalogs)
    with waiting("waiting for another writer" if request.wait else "starting"):
        wait = check_place(index_path, request.wait)
        try:
            request = request.with_settings_of(index_path)
        except (IndexDamagedError, IndexFormatError):
            # Building anew is what mends such an index.
            if not rebuild:
                raise
            settings_are_lost = True
    with waiting("loading"), needs_extra("indexer"):
        from indexer.catalog import RejectLog
        from indexer.pipeline import index_catalog

    with RejectLog(rejects_file) as rejects:
        reader = request.reader(rejects)
        try:
            with progress_of(reader) as advance, needs_extra("indexer"):
                settings: dict[str, Any] = {
                    "batch_size": request.batch_size,
                    "max_active_dims": request.max_active_dims,
                    "progress": advance,
                    "wait": wait,
                }
                if rebuild:
                    from indexer.rebuild import rebuild_index

                    settings["ignore_rejects"] = ignore_rejects
                    summary = rebuild_index(reader, request.model(), index_path, **settings)
                else:
                    summary = index_catalog(reader, request.model(), index_path, **settings)
        except CatalogError as error:
            raise _with_bad_records(request.with_origin(error), reader, rejects) from error
    with waiting("getting ready to search"):
        info = search_once(index_path)

    from engine.cli.index_summary import Report

    report = Report(summary, rejects, info, request)
    report.print_json() if as_json else report.print()
    if settings_are_lost:
        complain(
            "the old index could not be read: where it had --id-field, --text-field or "
            "--max-active-dims, build anew with them once more"
        )


def _with_bad_records(
    error: CatalogError, reader: CatalogReader, rejects: RejectLog
) -> CatalogError:
    """Add where the bad records are, when they are why nothing was indexed."""
    if reader.records_read or not rejects.total:
        return error
    first = next(iter(rejects.first.values()))
    told = str(error).rstrip(".")
    return CatalogError(f"{told}. The first: {first} All of them: {rejects.path}")
