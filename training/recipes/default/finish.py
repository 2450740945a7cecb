"""Make the embedded default of the trained model: the last step of the recipe.

1. Its encoder is averaged with the one that training started from, which knows more of what the
   training texts are not about (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models").
2. It is taught the words of the glossary's lexicon, and what its terms are called in Spanish.
   Where a document has more of these words than places, those come first that wishes ask for often.
3. Weak words count less in queries: "cortar" and "acabado" are as rare as names of products, but a
   query that holds both ("una sierra para cortar madera") looks for the product first. Words that
   fit most products ("pieza", "nuevo") are weak too, and so are pieces of words that the tokenizer
   splits: each would weigh as much as a whole word.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import torch

from engine.errors import EngineError, UsageError
from training.atomic_directory import replace_directory
from training.model.lexicon import entry_of_word, teach
from training.model.loading import load_trainable
from training.model.saving import write_model
from training.model.trainable import TrainableSparseModel
from training.recipe_file import read_recipe
from training.recipes.default.sources import read_terms, read_weak_words, read_wishes, read_words
from training.recipes.default.terms import english_words, words_of_terms

_DIRECTORY = click.Path(exists=True, file_okay=False, path_type=Path)
# The share of weak words was measured on dev queries, the others on msmarco-5000 and the examples
# too.
_SHARE_OF_START = 0.2
_SHARE_OF_WEAK_WORDS = 0.4
_SHARE_OF_SMALL_WORDS = 0.5
_SHARE_OF_PIECES = 0.5
# A word that n queries of wishes hold has a priority of (1 + n)^0.2; 0.1 to 0.3 are alike.
_POWER_OF_PRIORITIES = 0.2
# fmt: off
_SMALL_WORDS = (
    "a", "an", "and", "are", "at", "be", "by", "for", "from", "in", "is", "it", "of", "on", "or",
    "the", "to", "with",
)
# fmt: on


@click.command()
@click.option("--model", type=_DIRECTORY, required=True, help="Folder of the trained model.")
@click.option("--start", type=_DIRECTORY, required=True, help="Folder of the model it began as.")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="New folder.")
def main(model: Path, start: Path, output: Path) -> None:
    """Write the embedded default model: the trained one, averaged, taught and weighed."""
    if output.exists():
        raise click.BadParameter(
            f"{output} is there already: name a new folder", param_hint="--output"
        )
    recipe = read_recipe(str(Path(__file__).with_name("recipe.toml")))
    words = read_words()
    limit = recipe.max_active_dims or None
    try:
        trained = load_trainable(str(model), max_length=recipe.max_length)
        if trained.expansion is not None:
            raise click.BadParameter(f"{model} is finished already", param_hint="--model")
        _average(trained, load_trainable(str(start)))
        before = trained.vocabulary_size
        with warnings.catch_warnings():  # of forms that the count below tells of
            warnings.simplefilter("ignore", UserWarning)
            taught = teach(trained, words)
            assert taught.expansion is not None
            known, new = taught.expansion.words, taught.vocabulary_size - before
            taught = teach(taught, _words_of_terms(taught), add=True)
    except UsageError as error:
        raise click.BadParameter(str(error), param_hint="--start") from error
    except EngineError as error:
        raise click.ClickException(str(error)) from error
    _prefer_what_is_asked_for(taught, recipe.static_weights.function_words)
    _weaken(taught, read_weak_words(), _SHARE_OF_WEAK_WORDS)
    _weaken(taught, _SMALL_WORDS, _SHARE_OF_SMALL_WORDS)
    pieces = [entry for entry in taught.tokenizer.get_vocab() if entry.startswith("##")]
    _scale(taught, pieces, _SHARE_OF_PIECES)

    def write(directory: Path) -> None:
        write_model(taught, directory, dtype=recipe.save_dtype, max_active_dims=limit)

    try:
        replace_directory(output, write)
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {error.strerror}") from error
    assert taught.expansion is not None
    click.echo(f"{known:,} of {len(words):,} words, {new:,} of them new: {output}")
    click.echo("most of the others are forms of words that the model knows")
    click.echo(f"with those that terms name {taught.expansion.words:,} words take weight")


def _words_of_terms(model: TrainableSparseModel) -> dict[str, dict[str, float]]:
    """Return what the words of `model` name; not of English ones, unless they were taught."""
    terms = read_terms()
    vocabulary = model.tokenizer.get_vocab()
    assert model.expansion is not None
    taught = set(model.expansion.weights.indices.tolist())
    english = {
        word for word in english_words(terms, read_wishes()) if vocabulary.get(word) not in taught
    }
    return words_of_terms(terms, model.tokenizer, english=english)


def _prefer_what_is_asked_for(model: TrainableSparseModel, function_words: Collection[str]) -> None:
    """Give each word a priority of (1 + n)^0.2, where n Spanish queries of wishes hold it.

    Of function words nothing is asked: their priority is 1.
    """
    queries = [query for wish in read_wishes() for query in wish.spanish]
    held = np.zeros(model.vocabulary_size, dtype=np.float64)
    for entries in model.tokenizer(queries, add_special_tokens=False)["input_ids"]:
        held[list(set(entries))] += 1
    held[model.tokenizer.convert_tokens_to_ids(list(function_words))] = 0
    assert model.expansion is not None
    priorities = ((1 + held) ** _POWER_OF_PRIORITIES).astype(np.float32)
    model.expansion = replace(model.expansion, priorities=priorities)


def _average(model: TrainableSparseModel, start: TrainableSparseModel) -> None:
    """Move the parameters of the encoder a share of the way back to where they began.

    Raises:
        UsageError: `start` has other parameters.
    """
    with model.whole() as trained, start.whole() as began, torch.no_grad():
        target, source = dict(trained.named_parameters()), dict(began.named_parameters())
        if {name: each.shape for name, each in source.items()} != {
            name: each.shape for name, each in target.items()
        }:
            raise UsageError("that is not what the model was trained from")
        for name, parameter in target.items():
            parameter.lerp_(source[name], _SHARE_OF_START)


def _weaken(model: TrainableSparseModel, words: Collection[str], share: float) -> None:
    """Give the words `share` of their weight in queries.

    Of a word that is an entry with another ending ("modelo": model, ##o) it is the entry.
    """
    entries = {entry_of_word(model.tokenizer.tokenize(word)) for word in words}
    _scale(model, {entry for entry in entries if entry is not None}, share)


def _scale(model: TrainableSparseModel, entries: Collection[str], share: float) -> None:
    vocabulary = model.tokenizer.get_vocab()
    with torch.no_grad():
        model.static_weights[sorted(vocabulary[entry] for entry in entries)] *= share


if __name__ == "__main__":
    sys.exit(main())
