"""Teach the trained model the words of the glossary's lexicon: the last step of the recipe."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import click

from engine.errors import EngineError
from training.atomic_directory import replace_directory
from training.model.lexicon import teach
from training.model.loading import load_trainable
from training.model.saving import write_model
from training.recipe_file import read_recipe
from training.recipes.default.sources import read_words

_DIRECTORY = click.Path(exists=True, file_okay=False, path_type=Path)


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

    def write(directory: Path) -> None:
        write_model(taught, directory, dtype=recipe.save_dtype, max_active_dims=limit)

    replace_directory(output, write)
    assert taught.expansion is not None
    known, new = taught.expansion.words, taught.vocabulary_size - before
    click.echo(f"{known:,} of {len(words):,} words, {new:,} of them new: {output}")
    click.echo("most of the others are forms of words that the model knows")


if __name__ == "__main__":
    sys.exit(main())
