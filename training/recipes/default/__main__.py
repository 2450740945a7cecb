"""Write the training texts, the starting model and the recipe of the default model."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from training.recipes.default.starting_model import write_starting_model
from training.recipes.default.texts import write_texts

_DIRECTORY = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.option("--data", type=_DIRECTORY, required=True, help="Folder of the public sources.")
@click.option("--wordnet", type=_DIRECTORY, required=True, help="Folder of WordNet's data.noun.")
@click.option("--backbone", type=_DIRECTORY, required=True, help="Folder of all-MiniLM-L6-v2.")
@click.option("--words", default=16_000, show_default=True, help="Spanish words to add.")
@click.option("--seed", default=42, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), required=True)
def main(data: Path, wordnet: Path, backbone: Path, words: int, seed: int, output: Path) -> None:
    """Write the training texts, the starting model and the recipe of the default model."""
    if not (backbone / "config.json").is_file():
        raise click.BadParameter(
            f"{backbone} holds no model (config.json): name the folder that does",
            param_hint="--backbone",
        )
    output.mkdir(parents=True, exist_ok=True)
    for name, count in write_texts(data, wordnet, output, seed).items():
        click.echo(f"{name}: {count:,} pairs")
    write_starting_model(data, backbone, output / "start", words)
    shutil.copytree(backbone, output / "teacher", dirs_exist_ok=True)
    recipe = output / "recipe.toml"
    shutil.copyfile(Path(__file__).with_name("recipe.toml"), recipe)
    click.echo(f"Try: engine train --recipe {recipe} --output {output / 'trained'}")


if __name__ == "__main__":
    sys.exit(main())
