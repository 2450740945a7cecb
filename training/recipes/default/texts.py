"""Writing the training pairs of the default recipe, one JSON Lines file for each source."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterable
from pathlib import Path

from training.recipes.default.parallel import category_names, dictionary, names, sentences
from training.recipes.default.passages import definitions, questions
from training.recipes.default.sources import (
    read_attributes,
    read_glossary,
    read_lexicon,
    read_phrases,
    read_products,
    read_questions,
    read_sentences,
    read_wishes,
)
from training.recipes.default.titles import (
    Pair,
    invented_titles,
    spanish_for_titles,
    title_spans,
)
from training.recipes.default.wishes import wishes

INVENTED_TITLES = 24  # of each concept of the glossary
QUERIES_OF_TITLE = 2
SPANS_OF_PASSAGE = 6


def write_texts(data: Path, wordnet: Path, output: Path, seed: int) -> dict[str, int]:
    """Write `SOURCE.LANGUAGE.jsonl.gz` files into `output`; return their numbers of pairs.

    SOURCE is where the texts come from, LANGUAGE that of the queries.
    """
    concepts, shared, products = read_glossary(), read_attributes(), read_products(data)
    entries = read_lexicon(data)
    nouns = {english: spanish for spanish, english, part in reversed(entries) if part == "n"}
    chance = random.Random(seed)
    spans = title_spans(products, QUERIES_OF_TITLE, chance)
    translated = spanish_for_titles(products, concepts, shared, QUERIES_OF_TITLE, chance)
    sources: dict[str, Iterable[tuple[str, Pair]]] = {
        "titles": (("en", pair) for pair in spans),
        "titles-spanish": (("es", pair) for pair in translated),
        "glossary": invented_titles(concepts, shared, INVENTED_TITLES, chance),
        "categories": category_names(read_phrases(data), chance),
        "sentences": sentences(read_sentences(data), chance),
        "names": (("es", pair) for pair in names(concepts, shared)),
        "dictionary": (("es", pair) for pair in dictionary(entries, chance)),
        "questions": questions(read_questions(data), SPANS_OF_PASSAGE, chance),
        "definitions": definitions(wordnet, nouns, chance),
        "wishes": wishes(read_wishes()),
    }
    counts: dict[str, int] = {}
    for name, pairs in sources.items():
        by_language: dict[str, list[Pair]] = {}
        for language, pair in pairs:
            if pair["query"].strip() and pair["document"].strip():
                by_language.setdefault(language, []).append(pair)
        for language, chosen in sorted(by_language.items()):
            _write(output / f"{name}.{language}.jsonl.gz", chosen)
            counts[f"{name}.{language}"] = len(chosen)
    return counts


def _write(path: Path, pairs: list[Pair]) -> None:
    # No time stamp, so that the same inputs give the same bytes.
    with path.open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
        for pair in pairs:
            packed.write((json.dumps(pair, ensure_ascii=False) + "\n").encode())
