"""`engine index`: catalogs into an index."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.examples import WithExamples
from engine.cli.extras import needs_extra
from engine.cli.options import Text, TextPath, model_option, shared_options
from engine.errors import CatalogError

if TYPE_CHECKING:
    from engine.results import IndexInfo
    from indexer.catalog import CatalogReader, RejectLog
    from indexer.model import SparseModel


@click.command(
    cls=WithExamples,
    short_help="Build or update an index from catalogs.",
    examples=[
        "engine index catalog.jsonl",
        "engine index products.csv.gz --id-field sku --text-field name --text-field details",
        "zcat feed.jsonl.gz | engine index - --index shop.index",
    ],
)
@click.argument("catalogs", nargs=-1, required=True, metavar="CATALOG...")
@model_option
@click.option(
    "--id-field",
    type=Text(),
    metavar="FIELD",
    help="Field that holds the id; found by its name if left out (id, sku, product_id, ...).",
)
@click.option(
    "--text-field",
    "text_fields",
    type=Text(),
    multiple=True,
    metavar="FIELD",
    help="Field whose text is indexed; repeat it for more, joined in this order. If left out, "
    "title and description are found by their names.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    metavar="N",
    help="Documents that the model takes at a time; by default what is fast.",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where the model runs; auto takes a GPU where there is one.",
)
@click.option(
    "--max-active-dims",
    type=click.IntRange(min=1),
    metavar="N",
    help="Keep so many of the largest weights of each document; by default what the model says.",
)
@click.option("--strict", is_flag=True, help="Stop at the first bad record.")
@click.option(
    "--rejects",
    "rejects_file",
    type=TextPath(),
    metavar="FILE",
    help="Where bad records are written; by default beside the index, as DIR.rejects.jsonl.",
)
@shared_options
def index(
    catalogs: tuple[str, ...],
    model_name: str | None,
    id_field: str | None,
    text_fields: tuple[str, ...],
    batch_size: int | None,
    device: str,
    max_active_dims: int | None,
    strict: bool,
    rejects_file: Path | None,
    index_path: Path,
    as_json: bool,
) -> None:
    """Encode the products of CATALOG files and add them to the index.

    Catalogs are JSON Lines, CSV or TSV, plain or gzip, or Parquet; - reads standard input. A
    product whose id is in the index already is replaced, one that is unchanged is skipped, so that
    the same command goes on where an earlier run was interrupted. Bad records are set aside and
    reported. Needs the extra [indexer].
    """
    from engine.cli.index_place import check_place, rejects_path
    from engine.cli.progress import progress_of, waiting

    rejects_file = rejects_path(rejects_file, index_path, catalogs)
    check_place(index_path)
    with waiting("loading"), needs_extra("indexer"):
        from indexer.catalog import CatalogReader, RejectLog
        from indexer.pipeline import index_catalog

    with RejectLog(rejects_file) as rejects:
        reader = CatalogReader(
            catalogs, id_field=id_field, text_fields=text_fields, strict=strict, rejects=rejects
        )

        def load_model() -> SparseModel:
            with needs_extra("indexer"):
                from indexer.model import SparseModel

                return SparseModel.load(model_name, device=device)

        try:
            with progress_of(reader) as advance:
                summary = index_catalog(
                    reader,
                    load_model,
                    index_path,
                    batch_size=batch_size,
                    max_active_dims=max_active_dims,
                    progress=advance,
                )
        except CatalogError as error:
            raise _with_bad_records(error, reader, rejects) from error
    with waiting("getting ready to search"):
        info = _search_once(index_path)

    from engine.cli.index_summary import Report

    report = Report(summary, rejects, info)
    report.print_json() if as_json else report.print()


def _with_bad_records(
    error: CatalogError, reader: CatalogReader, rejects: RejectLog
) -> CatalogError:
    """Add where the bad records are, when they are why nothing was indexed."""
    if reader.records_read or not rejects.total:
        return error
    first = next(iter(rejects.first.values()))
    return CatalogError(f"{error}. The first: {first} All of them: {rejects.path}")


def _search_once(index_path: Path) -> IndexInfo:
    """Search the new index, so that the compiled search code is there for the next process."""
    import numpy as np

    from engine import SearchEngine

    with SearchEngine.open(index_path) as engine:
        info = engine.info()
        # Entries from all over the vocabulary: whatever the documents are, some are met.
        terms = np.unique(np.linspace(0, info.vocabulary_size - 1, 256).astype(np.int64))
        engine.search_vector(terms, np.ones(len(terms)), 1, explain=True)
    return info
