"""Reading the public sources of the default recipe; which they are is told in docs/training.md."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_GLOSSARY = Path(__file__).parent / "glossary"
_WISHES = Path(__file__).parent / "wishes"


@dataclass(frozen=True)
class Concept:
    """A kind of product: its English and Spanish names and the attributes that titles give it.

    The first name in each language is the usual one. `attributes` are (English, Spanish).
    """

    department: str
    english: tuple[str, ...]
    spanish: tuple[str, ...]
    attributes: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Attribute:
    """A property that products of any kind have: what titles call it, and Spanish for it."""

    english: tuple[str, ...]
    spanish: tuple[str, ...]


@dataclass(frozen=True)
class Wish:
    """What a shopper looks for, put in several ways, and the title of a product that is it.

    The first English query is the plainest.
    """

    english: tuple[str, ...]
    keywords: tuple[str, ...]
    questions: tuple[str, ...]
    title: str

    @property
    def spanish(self) -> tuple[str, ...]:
        """All Spanish queries."""
        return self.keywords + self.questions


@dataclass(frozen=True)
class Product:
    """A product of a catalog; `cluster` names the product that several offers share."""

    title: str
    brand: str = ""
    category: str = ""
    cluster: str = ""


@dataclass(frozen=True)
class Question:
    """A question with the passage that answers it, in English and, if `spanish`, in Spanish."""

    english: str
    passage: str
    spanish: str = ""
    spanish_passage: str = ""


def read_glossary() -> list[Concept]:
    """Return the concepts of the hand-written glossary that is part of the recipe."""
    concepts = []
    for path in sorted((_GLOSSARY / "products").glob("*.tsv")):
        for row in _table(path):
            pairs = (each.partition("=") for each in row["attributes"].split("|"))
            concepts.append(
                Concept(
                    department=row["department"],
                    english=tuple(row["english"].split("|")),
                    spanish=tuple(row["spanish"].split("|")),
                    attributes=tuple((en, es) for en, _, es in pairs if en and es),
                )
            )
    return concepts


def read_attributes() -> list[Attribute]:
    """Return the attributes of the hand-written glossary that products of any kind share."""
    rows = _table(_GLOSSARY / "attributes.tsv")
    return [
        Attribute(tuple(row["english"].split("|")), tuple(row["spanish"].split("|")))
        for row in rows
    ]


def read_words() -> dict[str, tuple[str, ...]]:
    """Return Spanish words that are too rare to be learned from texts, with their translations.

    Words are as the tokenizer normalizes them; the likeliest translation is first.
    """
    rows = _table(_GLOSSARY / "words.tsv")
    return {row["spanish"]: tuple(row["english"].split("|")) for row in rows}


def read_terms() -> dict[str, tuple[str, ...]]:
    """Return English terms of titles with the Spanish words that name them, the usual one first."""
    rows = _table(_GLOSSARY / "terms.tsv")
    return {row["english"]: tuple(row["spanish"].split("|")) for row in rows}


def read_weak_words() -> frozenset[str]:
    """Return Spanish words that say little on their own about the product that is looked for.

    Some are English too ("color", "material"), and as one entry of the vocabulary the same word.

    Forms of verbs say what it does rather than what it is ("cortar"), names of properties which of
    them is asked for rather than its value ("color", "marca"); general words fit most products
    ("pieza", "superficie", "nuevo", "debajo").
    """
    names = ("verbs", "property_names", "general_words")
    files = [_GLOSSARY / f"{name}.txt" for name in names]
    return frozenset(" ".join(file.read_text(encoding="utf-8") for file in files).split())


def read_wishes() -> list[Wish]:
    """Return the wishes of shoppers that were written for the recipe."""
    return [
        Wish(
            english=tuple(row["english"].split("|")),
            keywords=tuple(row["keywords"].split("|")),
            questions=tuple(row["questions"].split("|")),
            title=row["title"],
        )
        for path in sorted(_WISHES.glob("*.tsv"))
        for row in _table(path)
    ]


def read_products(data: Path) -> list[Product]:
    """Return the products of the three catalogs, each title once."""
    products: dict[str, Product] = {}
    for name in ("abt-buy", "amazon-walmart", "pricerunner"):
        for record in _json_lines(data / "catalogs" / f"{name}.jsonl.gz"):
            product = Product(
                title=" ".join(record["title"].split()),
                brand=record.get("brand") or "",
                category=record.get("category") or "",
                cluster=record.get("cluster") or "",
            )
            products.setdefault(product.title.lower(), product)
    return list(products.values())


def read_phrases(data: Path) -> list[tuple[str, str]]:
    """Return (Spanish, English) names of product categories."""
    return [(row[0], row[1]) for row in _rows(data / "parallel" / "product-phrases.tsv.gz")]


def read_sentences(data: Path) -> list[tuple[str, str]]:
    """Return (Spanish, English) sentences."""
    return [(row[0], row[1]) for row in _rows(data / "parallel" / "tatoeba.tsv.gz")]


def read_lexicon(data: Path) -> list[tuple[str, str, str]]:
    """Return (Spanish word, English word, part of speech)."""
    rows = _rows(data / "parallel" / "lexicon.tsv.gz")
    return [(row[0], row[1], row[2] if len(row) > 2 else "") for row in rows]


def read_questions(data: Path) -> list[Question]:
    """Return questions with their passages: Natural Questions, then XQuAD in both languages."""
    natural = _json_lines(data / "pairs" / "natural-questions.jsonl.gz")
    questions = [Question(each["query"], each["document"]) for each in natural]
    for each in _json_lines(data / "pairs" / "xquad-en-es.jsonl.gz"):
        questions.append(
            Question(
                each["query"],
                each["document"],
                each["query_es"],
                each["document_es"].lstrip("\ufeff"),
            )
        )
    return questions


def _table(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)


def _rows(path: Path) -> Iterator[list[str]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            row = line.rstrip("\n").split("\t")
            if len(row) >= 2 and row[0].strip() and row[1].strip():
                yield [cell.strip() for cell in row]


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
