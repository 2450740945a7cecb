"""`engine compact`: an index in as little space as it can have."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.examples import WithExamples
from engine.cli.extras import needs_extra
from engine.cli.options import shared_options, wait_option

if TYPE_CHECKING:
    from indexer.compaction import CompactionSummary


@click.command(
    cls=WithExamples,
    short_help="Merge all segments and give space back.",
    examples=[
        "engine compact",
        "engine compact --wait 60 --json",
    ],
)
@wait_option
@shared_options
def compact(wait: float, index_path: Path, as_json: bool) -> None:
    """Write the index anew without deleted documents and unused space.

    Answers stay the same. Needs room on the disk for both, and the extra [indexer]. Searches under
    way are not disturbed; a SearchEngine that is open moves on when it refreshes.
    """
    from engine.cli.progress import waiting

    begun = time.perf_counter()
    with waiting("compacting"), needs_extra("indexer"):
        from indexer.compaction import compact as compact_index

        summary = compact_index(index_path, wait=wait)
    seconds = time.perf_counter() - begun
    if as_json:
        from engine.cli.json_output import print_json

        changed = {"index": str(index_path), "changed": summary.is_changed}
        counts = {name: n for name, n in asdict(summary).items() if name != "is_changed"}
        print_json({**changed, **counts, "seconds": round(seconds, 3)}, indented=True)
    else:
        _print(summary, index_path, seconds)


def _print(summary: CompactionSummary, index_path: Path, seconds: float) -> None:
    from engine.cli.output import PlainConsole, count, duration, facts, plain, size

    console = PlainConsole()
    if not summary.is_changed:
        told = f"{index_path} is compact already: {size(summary.bytes)}"
        console.print(plain(told), soft_wrap=True)
        return
    told = f"Compacted {index_path} in {duration(seconds)}"
    console.print(plain(told), style="bold", soft_wrap=True)
    console.print(
        facts(
            [
                ("size", f"{size(summary.bytes)}, before {size(summary.bytes_before)}"),
                ("segments", f"{summary.segments:,}, before {summary.segments_before:,}"),
                ("documents", f"{summary.documents:,}"),
                ("dropped", f"{count(summary.dropped, 'deleted document')}"),
            ]
        )
    )
