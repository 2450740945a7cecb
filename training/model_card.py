"""The model card: the README.md of a trained model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.version import __version__
from training.configuration import Recipe
from training.dev_set import DevFigures

_FRONT = """\
---
library_name: sentence-transformers
pipeline_tag: feature-extraction
tags:
- sentence-transformers
- sparse-encoder
- splade
- inference-free
---
"""
_NOT_SETTINGS = {"name", "model", "sources", "dev", "checkpoints", "device", "teacher"}


@dataclass(frozen=True)
class CardFacts:
    """What is to be told of a model.

    Attributes:
        recipe: how it was trained.
        examples: number of examples of each source.
        steps: optimizer steps taken.
        planned: optimizer steps of the whole run.
        vocabulary_size: V.
        parameters: of the document encoder.
        figures: measured on the dev collections with this very model, None without any.
        taught: number of words with a document expansion.
    """

    recipe: Recipe
    examples: Sequence[int]
    steps: int
    planned: int
    vocabulary_size: int
    parameters: int
    figures: DevFigures | None
    taught: int = 0


def write_model_card(path: Path, facts: CardFacts) -> None:
    """Write the card as Markdown."""
    path.write_text(_FRONT + "\n".join(_lines(facts)) + "\n", encoding="utf-8")


def _lines(facts: CardFacts) -> Iterator[str]:
    recipe = facts.recipe
    yield f"# An inference-free SPLADE model (recipe {recipe.name})"
    yield ""
    yield (
        "A query is only tokenized: each distinct token has one static weight. A document goes "
        "through a masked language model, max pooling, relu and log1p, and becomes a sparse vector "
        f"over {facts.vocabulary_size:,} tokens. The score is the dot product."
    )
    yield ""
    yield f"- Trained from `{_name(recipe.model)}`; {facts.parameters:,} parameters."
    yield f"- {facts.steps:,} of {facts.planned:,} steps of {_batch(recipe)} pairs."
    yield f"- Longest document: {recipe.max_length} tokens."
    if facts.taught:
        yield (
            f"- A document hands weight on to {facts.taught:,} words of a lexicon that the model "
            "was taught before this training: a module of Sábana, which must be installed where "
            "sentence-transformers loads the model."
        )
    yield f"- Written by Sábana {__version__}, `engine train`."
    yield ""
    yield "## Use"
    yield ""
    yield "```python"
    yield "from sentence_transformers import SparseEncoder"
    yield ""
    trust = ", trust_remote_code=True" if facts.taught else ""
    yield f'model = SparseEncoder("path/of/this/folder"{trust})'
    yield 'queries = model.encode_query(["sábana queen"])'
    yield 'documents = model.encode_document(["Queen size cotton fitted sheet"])'
    yield "print(model.similarity(queries, documents))"
    yield "```"
    yield ""
    yield from _measured(facts.figures)
    yield "## Training data"
    yield ""
    yield "| files | examples | share of a batch | teacher |"
    yield "|---|---|---|---|"
    total = sum(source.weight for source in recipe.sources)
    for source, count in zip(recipe.sources, facts.examples, strict=True):
        files = ", ".join(f"`{_name(path)}`" for path in source.paths)
        heard = "yes" if source.teacher and recipe.teacher.model else "no"
        yield f"| {files} | {count:,} | {source.weight / total:.1%} | {heard} |"
    yield ""
    if recipe.teacher.model:
        teacher = recipe.teacher
        yield f"Dense teacher: `{_name(teacher.model)}`, cosine times {teacher.scale:g}."
        yield ""
    yield "## Settings"
    yield ""
    yield "| setting | value |"
    yield "|---|---|"
    for name, value in _settings(recipe.to_dict()):
        yield f"| {name} | {json.dumps(value, ensure_ascii=False)} |"


def _measured(figures: DevFigures | None) -> Iterator[str]:
    if figures is None:
        return
    yield "## Measured"
    yield ""
    yield "On the dev collections (or the part of them that the recipe takes), exact search:"
    yield ""
    yield "| collection | nDCG@10 (graded) | active dimensions of a document |"
    yield "|---|---|---|"
    for name, value in figures.by_collection.items():
        yield f"| {name} | {value:.4f} | {figures.active_dims[name]:.0f} |"
    yield ""


def _settings(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if not prefix and name in _NOT_SETTINGS:
            continue
        if isinstance(value, dict):
            yield from _settings(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _batch(recipe: Recipe) -> str:
    times = recipe.gradient_accumulation
    return f"{recipe.batch_size}" if times == 1 else f"{times} × {recipe.batch_size}"


def _name(path: str) -> str:
    """The last part of a path that is one: a card travels, folders of one machine do not."""
    return Path(path).name if Path(path).exists() or Path(path).is_absolute() else path
