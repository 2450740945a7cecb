"""Teach the trained model the words of the glossary's lexicon: the last step of the recipe.

Verbs then count less. "cortar" is as rare among queries as the names of products, but a query that
holds both ("una sierra para cortar madera") looks for the product first.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Collection
from pathlib import Path

import click
import torch

from engine.errors import EngineError
from training.atomic_directory import replace_directory
from training.model.lexicon import teach
from training.model.loading import load_trainable
from training.model.saving import write_model
from training.model.trainable import TrainableSparseModel
from training.recipe_file import read_recipe
from training.recipes.default.sources import read_verbs, read_words

_DIRECTORY = click.Path(exists=True, file_okay=False, path_type=Path)
_SHARE_OF_VERBS = 0.6  # of their weight; measured on dev queries, 0.3 to 0.8 are alike


@click.command()
@click.option("--model", type=_DIRECTORY, required=True, help="Folder of the trained model.")
@click.option("--output", type=click.Path(path_type=Path), required=True)
def main(model: Path, output: Path) -> None:
    """Write the embedded default model: the trained one, with a lexicon of rare Spanish words."""
    if output.exists():
        raise click.BadParameter(f"{output} is there already: name a new folder")
    recipe = read_recipe(str(Path(__file__).with_name("recipe.toml")))
    trained = load_trainable(str(model), max_length=recipe.max_length)
    before = trained.vocabulary_size
    words = read_words()
    limit = recipe.max_active_dims or None
    try:
        with warnings.catch_warnings():  # of forms that the count below tells of
            warnings.simplefilter("ignore", UserWarning)
            taught = teach(trained, words)
    except EngineError as error:
        raise click.ClickException(str(error)) from error
    _weaken(taught, read_verbs(), _SHARE_OF_VERBS)

    def write(directory: Path) -> None:
        write_model(taught, directory, dtype=recipe.save_dtype, max_active_dims=limit)

    replace_directory(output, write)
    assert taught.expansion is not None
    known, new = taught.expansion.words, taught.vocabulary_size - before
    click.echo(f"{known:,} of {len(words):,} words, {new:,} of them new: {output}")
    click.echo("most of the others are forms of words that the model knows")


def _weaken(model: TrainableSparseModel, words: Collection[str], share: float) -> None:
    """Give those of the words that are one token `share` of their weight in queries."""
    tokens = model.query_tokens(sorted(words))
    entries = sorted({int(each[0]) for each in tokens if len(each) == 1})
    with torch.no_grad():
        model.static_weights[entries] *= share


if __name__ == "__main__":
    sys.exit(main())
