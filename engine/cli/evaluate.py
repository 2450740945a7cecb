"""`engine evaluate`: a model's figures on a judged collection."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli.examples import WithExamples
from engine.cli.extras import needs_extra
from engine.cli.options import Text, TextPath, model_option


@click.command(
    cls=WithExamples,
    short_help="Measure a model on a judged collection.",
    examples=[
        "engine evaluate examples --compare bm25",
        "engine evaluate NanoMSMARCO --model my-model --json",
        "engine evaluate home-depot --split dev --index home-depot.index",
    ],
)
@click.argument("collection", type=Text(), metavar="COLLECTION")
@model_option
@click.option(
    "--compare",
    type=Text(),
    multiple=True,
    metavar="NAME",
    help="Measure another model, or bm25, side by side; repeat it for more.",
)
@click.option(
    "--split",
    type=click.Choice(["dev", "test"]),
    help="Ask one half of the queries only, chosen by a hash of their ids; all if left out.",
)
@click.option(
    "--queries",
    "query_file",
    type=TextPath(),
    metavar="FILE",
    help="Ask the queries of FILE in place of the collection's, such as translations: query id, "
    "text and, if wanted, kind, as JSON Lines or tab-separated.",
)
@click.option(
    "--min-relevance",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="Count only documents judged N or more as relevant; by default all above 0.",
)
@click.option(
    "--run",
    "run_file",
    type=TextPath(),
    metavar="FILE",
    help="Write the model's rankings to FILE, as a TREC run.",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where the model runs; auto takes a GPU where there is one.",
)
@click.option(
    "--index",
    "index_path",
    type=TextPath(),
    metavar="DIR",
    help="Folder of an index of the collection that is kept: what is in it already is not encoded "
    "again. By default a temporary one.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs instead of text.")
def evaluate(
    collection: str,
    model_name: str | None,
    compare: tuple[str, ...],
    split: str | None,
    query_file: Path | None,
    min_relevance: float | None,
    run_file: Path | None,
    device: str,
    index_path: Path | None,
    as_json: bool,
) -> None:
    """Index the documents of COLLECTION, ask its queries, and measure the answers.

    COLLECTION is a folder in BEIR form (corpus.jsonl, queries.jsonl and qrels.tsv, plain or gzip)
    or a NanoBEIR name such as NanoMSMARCO, from the Hugging Face hub. Measures have the names that
    sentence-transformers gives them; in brackets are 95 % bootstrap intervals. Needs the extra
    [training].
    """
    from engine.cli.index_place import check_place
    from engine.cli.progress import progress_of, waiting

    if index_path is not None:
        check_place(index_path)
    with waiting("loading"), needs_extra("training"):
        from training.evaluation.collection_source import load_collection
        from training.evaluation.evaluation import evaluate as measure

    judged = load_collection(collection)
    judgments, missing = judged.judged_and_missing()
    if missing:
        click.echo(
            f"{missing:,} of all {judgments:,} judgments are of documents that {judged.name} does "
            "not have: a query that wants them counts against every system",
            err=True,
        )
    models = sum(name != "bm25" for name in (model_name, *compare))
    with progress_of(_Documents(len(judged.ids) * models)) as advance:
        report = measure(
            judged,
            model_name,
            index=index_path,
            compare=compare,
            queries=query_file,
            split=split,
            min_relevance=min_relevance,
            run=run_file,
            device=device,
            progress=advance,
        )
    if as_json:
        from engine.cli.json_output import print_json

        print_json(report.to_dict(), indented=True)
    else:
        from engine.cli.evaluation_tables import print_report

        print_report(report)


class _Documents:
    """How many documents there are to do: all of them are known from the start."""

    def __init__(self, total: int) -> None:
        self.records_read = self.bytes_read = self.bytes_total = total
