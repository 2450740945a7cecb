"""`engine train`: a model from queries and the documents that answer them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.examples import WithExamples
from engine.cli.extras import needs_extra
from engine.cli.options import Text, TextPath

if TYPE_CHECKING:
    from training.progress import Progress
    from training.training_run import TrainingSummary


@click.command(
    cls=WithExamples,
    short_help="Train a model from queries and documents.",
    examples=[
        "engine train pairs.jsonl --output run",
        "engine train pairs.tsv.gz --model bert-base-uncased --dev judged --output run",
        "engine train pairs.jsonl --mine 3 --set steps=500 --output run",
        "engine train --recipe my-recipe.toml --output run",
    ],
)
@click.argument("files", nargs=-1, type=TextPath(), metavar="[FILE]...")
@click.option(
    "--output",
    type=TextPath(),
    required=True,
    metavar="DIR",
    help="Folder of the run: the model, its learning curve, and checkpoints to go on from.",
)
@click.option(
    "--recipe",
    type=Text(),
    default="default",
    show_default=True,
    metavar="NAME_OR_FILE",
    help="How to train: default, card (the model card that this project began with), or a TOML "
    "file.",
)
@click.option(
    "--model",
    "model_name",
    type=Text(),
    metavar="NAME_OR_PATH",
    help="Where to start: a masked language model, a plain BERT encoder or a sparse model; a "
    "folder, a name on the Hugging Face hub, or default. By default what the recipe says.",
)
@click.option(
    "--dev",
    type=Text(),
    multiple=True,
    metavar="COLLECTION",
    help="Measure on this judged collection on the way and keep the best model; repeat it for "
    "more.",
)
@click.option(
    "--mine",
    type=click.IntRange(min=1),
    metavar="N",
    help="First find N hard negatives for each pair, with the starting model.",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    help="Where to train; auto takes a GPU where there is one. By default what the recipe says.",
)
@click.option(
    "--set",
    "settings",
    type=Text(),
    multiple=True,
    metavar="NAME=VALUE",
    help="Change a value of the recipe, such as optimizer.learning_rate=1e-4; repeat it for more.",
)
@click.option(
    "--restart",
    is_flag=True,
    help="Begin again whatever is in DIR; a model there is set aside under another name.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs instead of text.")
def train(
    files: tuple[Path, ...],
    output: Path,
    recipe: str,
    model_name: str | None,
    dev: tuple[str, ...],
    mine: int | None,
    device: str | None,
    settings: tuple[str, ...],
    restart: bool,
    as_json: bool,
) -> None:
    """Train an inference-free SPLADE model.

    FILE holds pairs: JSON Lines of query, document and, if wanted, negatives and scores, or
    tab-separated text; plain or gzip. Without FILE the recipe names its own data. The same command
    again goes on where an earlier run was interrupted, and ends in the same model; Ctrl-C saves
    the step in hand first. Needs the extra [training].
    """
    from engine.cli.progress import waiting

    with waiting("loading"), needs_extra("training"):
        from training.recipe_file import read_recipe
        from training.training_run import train as run

    changes = [*settings]
    if mine is not None:
        changes.append(f"mining.negatives={mine}")
    if device is not None:
        changes.append(f"device={device}")
    summary = run(
        read_recipe(recipe, changes, files=files, model=model_name, dev=dev),
        output,
        report=_report,
        tell=lambda sentence: click.echo(sentence, err=True),
        restart=restart,
    )
    if as_json:
        from engine.cli.json_output import print_json

        print_json(summary.to_dict(), indented=True)
    else:
        _print(summary, output)


def _report(progress: Progress) -> None:
    parts = [f"step {progress.step:,} of {progress.steps:,}"]
    parts += [f"{name.replace('_', ' ')} {value:.4g}" for name, value in progress.losses.items()]
    if progress.losses:
        parts.append(f"queries at zero {progress.zero_share:.1%}")
        parts.append(f"{progress.steps_per_second:.2f} steps a second")
    click.echo(", ".join(parts), err=True)
    if progress.dev is not None:
        figures = progress.dev
        each = ", ".join(
            f"{name} {value:.4f} ({figures.active_dims[name]:.0f} active dimensions)"
            for name, value in figures.by_collection.items()
        )
        best = ", the best so far" if progress.best else ""
        click.echo(f"  dev nDCG@10 {figures.ndcg:.4f}{best}: {each}", err=True)


def _print(summary: TrainingSummary, output: Path) -> None:
    from engine.cli.output import PlainConsole, facts

    rows: list[tuple[str, object]] = [("model", summary.model)]
    if summary.steps is not None:
        rows += [("steps", f"{summary.steps:,}"), ("curve", output / "learning-curve.png")]
        measured = [row for row in summary.history if "ndcg mean" in row]
        if measured:
            best = max(measured, key=lambda row: row["ndcg mean"])
            rows.append(("dev nDCG@10", f"{best['ndcg mean']:.4f} at step {best['step']:,}"))
    if summary.unusable:
        rows.append(("left out", f"{summary.unusable:,} rows"))
    PlainConsole().print(facts(rows))
