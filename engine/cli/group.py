"""The group that all commands belong to.

Command modules import what they need when they are called: `engine --help` loads neither Numba nor
torch, and `engine search` no torch.
"""

from __future__ import annotations

from typing import Any

import click

from engine.cli.backup import backup
from engine.cli.bench import bench
from engine.cli.compact import compact
from engine.cli.delete import delete
from engine.cli.encode import encode
from engine.cli.evaluate import evaluate
from engine.cli.examples import WithExamples
from engine.cli.explain import explain
from engine.cli.get import get
from engine.cli.index import index
from engine.cli.info import info
from engine.cli.outcome import PROGRAM, StoppedError
from engine.cli.search import search
from engine.cli.sync import sync
from engine.cli.train import train
from engine.cli.verify import verify
from engine.version import __version__


class CommandGroup(WithExamples, click.Group):
    """Lists commands in the order in which a newcomer meets them; tells what was interrupted."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order in which the commands were added."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an interruption or a reader that went away raises `StoppedError`."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, BrokenPipeError) as cause:
            # click would print a line of its own for the one, and exit with 1 for the other.
            raise StoppedError(ctx.invoked_subcommand) from cause


@click.group(
    cls=CommandGroup,
    examples=[
        "engine index catalog.jsonl",
        "engine search sábana queen",
    ],
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(
    __version__, "--version", prog_name=PROGRAM, help="Show the version and exit."
)
@click.pass_context
def engine(ctx: click.Context) -> None:
    """Product search in English and Spanish over learned sparse vectors."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


for command in (
    index,
    sync,
    delete,
    search,
    explain,
    encode,
    info,
    get,
    bench,
    verify,
    backup,
    compact,
    train,
    evaluate,
):
    engine.add_command(command)
