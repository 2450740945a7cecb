"""`engine verify`: read everything that is stored, and tell what is damaged."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.examples import WithExamples
from engine.cli.options import shared_options
from engine.cli.outcome import complain
from engine.errors import EngineError

if TYPE_CHECKING:
    from engine.storage.verification_report import VerificationReport


@click.command(
    cls=WithExamples,
    short_help="Check that nothing in the index is damaged.",
    examples=[
        "engine verify",
        "engine verify --deep --index /backups/shop.index",
    ],
)
@click.option("--deep", is_flag=True, help="Decode all contents too, beyond comparing checksums.")
@shared_options
def verify(deep: bool, index_path: Path, as_json: bool) -> int:
    """Read everything in the index and tell what is damaged, one line each.

    Exits with 1 if something is. Searches and a writer may be at work meanwhile.
    """
    from engine.cli.byte_progress import byte_progress
    from engine.storage.verification import verify_index

    begun = time.perf_counter()
    with byte_progress("verifying") as advance:
        report = verify_index(index_path, deep=deep, progress=advance)
    seconds = time.perf_counter() - begun
    if as_json:
        from engine.cli.json_output import print_json

        print_json({**report.to_dict(), "seconds": round(seconds, 3)}, indented=True)
    else:
        _print(report, seconds)
    if report.is_sound:
        return 0
    places = "1 place" if len(report.damages) == 1 else f"{len(report.damages):,} places"
    complain(
        f"{index_path} is damaged in {places}; restore it from a backup, or index again with "
        f"{_rebuild_options(index_path)}"
    )
    return 1


def _rebuild_options(index_path: Path) -> str:
    """What `engine index` needs to build a damaged index anew."""
    from engine.storage.snapshot import Snapshot

    try:
        Snapshot(index_path).close()
    except EngineError:
        return "--rebuild --model NAME, as which model it was built with cannot be read"
    return "--rebuild"


def _print(report: VerificationReport, seconds: float) -> None:
    from engine.cli.output import PlainConsole, count, duration, plain, size

    console = PlainConsole()
    for damage in report.damages:
        console.print(plain(damage), soft_wrap=True)
    if report.is_sound:
        how = "all of it decoded" if report.is_deep else "all checksums are right"
        held = f"{count(report.documents, 'document')} in {count(report.segments, 'segment')}"
        console.print(
            plain(
                f"{report.path} is sound: {held}, {size(report.bytes)} read in "
                f"{duration(seconds)}, {how}"
            ),
            soft_wrap=True,
        )
