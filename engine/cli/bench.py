"""`engine bench`: how fast an index answers queries on this machine, and where the time goes."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli.examples import WithExamples
from engine.cli.options import TextPath, rho_option, shared_options
from engine.usable_cpus import usable_cpus


@click.command(
    cls=WithExamples,
    short_help="Measure how fast the index answers.",
    examples=[
        "engine bench",
        "engine bench --queries queries.txt -k 24",
        "engine bench --queries queries.jsonl --json > latency.json",
    ],
)
@click.option(
    "--queries",
    "query_file",
    type=TextPath(),
    metavar="FILE",
    help="Ask the queries of FILE, plain or gzip, - for standard input: one a line; JSON Lines "
    "with text or query; or columns between tabs, a header naming one of them text or query, or "
    "without header query id and text. If left out, the first words of titles in the index.",
)
@click.option(
    "-k",
    "--k",
    "k",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    metavar="N",
    help="How many hits a query asks for.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=usable_cpus,
    show_default="all cores",
    metavar="N",
    help="How many threads score batches, beside one.",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    metavar="N",
    help="How often each query is asked, after once to warm up.",
)
@click.option(
    "--plot",
    type=TextPath(),
    metavar="FILE",
    help="Draw the latencies as a PNG. Needs the extra [training].",
)
@rho_option
@shared_options
def bench(
    query_file: Path | None,
    k: int,
    threads: int,
    rounds: int,
    plot: Path | None,
    rho: float | None,
    index_path: Path,
    as_json: bool,
) -> None:
    """Measure the latency of the index with your own queries, on one thread.

    Latency is what a program sees that has the index open: from the text of a query to the
    documents of its hits. Shown beside it are queries a second, one by one and in batches, and how
    long each stage of a search takes; with --rho also what share of the exact hits it finds.
    """
    from engine import SearchEngine
    from engine.cli.bench_measurement import Workload, measure
    from engine.cli.bench_queries import draw_queries, read_queries, source_name
    from engine.cli.progress import waiting
    from engine.query_input import checked_threads

    if plot is not None:
        from engine.cli.bench_plot import check_plot

        check_plot(plot)
    with SearchEngine.open(index_path) as engine:
        queries = draw_queries(engine) if query_file is None else read_queries(query_file)
        with waiting("measuring"):
            found = measure(engine, Workload(queries, k, checked_threads(threads), rounds, rho))
        documents = len(engine)
    if query_file is None:
        origin = "drawn from titles of the index"
    else:
        origin = f"of {source_name(query_file)}"
    if plot is not None:
        from engine.cli.bench_plot import draw

        draw(plot, f"{len(queries):,} queries {origin}, {documents:,} documents", found)
    if as_json:
        from engine.cli.json_output import print_json

        described = {"index": str(index_path), "documents": documents, "origin": origin}
        print_json({**described, **found.to_dict()}, indented=True)
    else:
        from engine.cli.bench_report import print_report

        print_report(str(index_path), documents, origin, found)
