"""Training pairs for product titles: real ones of the catalogs, invented ones of the glossary."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from training.recipes.default.sources import Attribute, Concept, Product
from training.recipes.default.wording import in_english, in_spanish, join_spanish, plural

Pair = dict[str, str]

# In a title, in an English query, in a Spanish query.
_UNITS = (
    ("{} in.", "{} in", "{} pulgadas"),
    ("{} ft.", "{} ft", "{} pies"),
    ("{} cm", "{} cm", "{} cm"),
    ("{} gal.", "{} gallon", "{} galones"),
    ("{} oz.", "{} oz", "{} onzas"),
    ("{} ml", "{} ml", "{} ml"),
    ("{} lb.", "{} lb", "{} libras"),
    ("{}-Pack", "{} pack", "paquete de {}"),
    ("{}-Piece", "{} piece", "{} piezas"),
    ("{}-Light", "{} light", "{} luces"),
    ("{}-Volt", "{} volt", "{} voltios"),
    ("{}-Watt", "{} watt", "{} vatios"),
)
_NUMBERS = ("1/2", "3/4", "3/8", "1-1/2", "2.5", "1", "2", "3", "4", "5", "6", "8", "10", "12")
_LARGE_NUMBERS = ("16", "18", "20", "24", "36", "48", "100", "500")
_SYLLABLES = ("ar", "bel", "cor", "dan", "el", "fen", "gar", "hol", "in", "kel", "lum", "mar")
_MORE_SYLLABLES = ("nor", "or", "pra", "quin", "ros", "sol", "tek", "ul", "ver", "win", "yor")


@dataclass(frozen=True)
class _Match:
    concept: Concept
    name: str


def invented_titles(
    concepts: Sequence[Concept],
    shared: Sequence[Attribute],
    each: int,
    chance: random.Random,
) -> Iterator[tuple[str, Pair]]:
    """Yield (language of the query, pair): `each` titles made up for every concept."""
    for number, concept in enumerate(concepts):
        for repetition in range(each):
            attributes = _some_attributes(concept, shared, chance)
            unit = chance.choice(_UNITS) if chance.random() < 0.5 else None
            amount = chance.choice(_NUMBERS + _LARGE_NUMBERS)
            names = concept.english
            name = names[0] if chance.random() < 0.6 else chance.choice(names)
            title = _title(name, [en for en, _ in attributes], unit, amount, chance)
            kept = [each for each in attributes if chance.random() < 0.5][:2]
            sized = unit is not None and chance.random() < 0.3
            english = [en for en, _ in kept] + [plural(chance.choice(names), "en", chance)]
            spanish = [es for _, es in kept]
            if sized and unit is not None:
                english.insert(0, unit[1].format(amount))
                spanish.append(unit[2].format(amount))
            twin = " ".join(english)
            pair = {"document": title, "key": f"concept {number}"}
            if repetition % 3 == 0:
                yield "en", {"query": in_english(twin, chance), **pair}
            else:
                noun = plural(chance.choice(concept.spanish), "es", chance)
                query = in_spanish(join_spanish(noun, spanish, chance), chance)
                yield "es", {"query": query, "teacher_query": twin, **pair}


def title_spans(products: Sequence[Product], each: int, chance: random.Random) -> Iterator[Pair]:
    """Yield pairs of some words of a title, or the name of an offer's product, and the title."""
    for product in products:
        tokens = product.title.split()
        key = (product.cluster or product.title).lower()
        for _ in range(each):
            if product.cluster and chance.random() < 0.4:
                query = product.cluster
            else:
                query = _span(tokens, chance)
            yield {
                "query": in_english(query.lower(), chance),
                "document": product.title,
                "key": key,
            }


def spanish_for_titles(
    products: Sequence[Product],
    concepts: Sequence[Concept],
    shared: Sequence[Attribute],
    each: int,
    chance: random.Random,
) -> Iterator[Pair]:
    """Yield pairs of a Spanish query and a real title that names one of the glossary's concepts."""
    names = {name.lower(): concept for concept in concepts for name in concept.english}
    longest = max(name.count(" ") for name in names) + 1
    for product in products:
        lowered = " ".join(re.findall(r"[^\W_]+", product.title.lower()))
        match = _find_concept(lowered.split(), names, longest)
        if match is None:
            continue
        padded = f" {lowered} "
        attributes = [pair for pair in match.concept.attributes if f" {pair[0].lower()} " in padded]
        attributes += [
            (english, chance.choice(attribute.spanish))
            for attribute in shared
            for english in attribute.english
            if f" {english.lower()} " in padded and english != match.name
        ]
        extras = [word for word in (product.brand or product.title.split()[0],) if word]
        numbers = re.findall(r"\b\d+ ?(?:gb|tb|mp|inch|cm|mm|w|kg|l)\b", product.title.lower())
        for _ in range(each):
            chosen = chance.sample(attributes, min(len(attributes), chance.randrange(3)))
            spanish, english = [es for _, es in chosen], [en for en, _ in chosen]
            for extra in extras + numbers[:1]:
                if chance.random() < 0.4:
                    spanish.append(extra.lower())
                    english.insert(0, extra.lower())
            noun = plural(chance.choice(match.concept.spanish), "es", chance)
            query = in_spanish(join_spanish(noun, list(dict.fromkeys(spanish)), chance), chance)
            yield {
                "query": query,
                "teacher_query": " ".join([*english, match.name]),
                "document": product.title,
                "key": (product.cluster or product.title).lower(),
            }


def _find_concept(tokens: list[str], names: dict[str, Concept], longest: int) -> _Match | None:
    """Return the longest name of a concept in a title; of equally long ones the last."""
    for length in range(min(longest, len(tokens)), 0, -1):
        for start in range(len(tokens) - length, -1, -1):
            name = " ".join(tokens[start : start + length])
            for form in (name, name.removesuffix("s"), name.removesuffix("es")):
                if form in names:
                    return _Match(names[form], form)
    return None


def _some_attributes(
    concept: Concept, shared: Sequence[Attribute], chance: random.Random
) -> list[tuple[str, str]]:
    chosen = chance.sample(concept.attributes, min(len(concept.attributes), chance.randrange(4)))
    for attribute in chance.sample(shared, chance.choice((0, 0, 1, 1, 2))):
        chosen.append((chance.choice(attribute.english), chance.choice(attribute.spanish)))
    return list(dict.fromkeys(chosen))


def _title(
    name: str,
    attributes: list[str],
    unit: tuple[str, str, str] | None,
    amount: str,
    chance: random.Random,
) -> str:
    before = [each for each in attributes if not each.startswith(("for ", "with "))]
    behind = [each for each in attributes if each.startswith(("for ", "with "))]
    if before and chance.random() < 0.4:
        behind.append(chance.choice(["in ", "- ", ""]) + before.pop())
    parts = [*before, name]
    if unit is not None:
        parts.insert(chance.randrange(len(parts)), unit[0].format(amount))
    if chance.random() < 0.6:
        brand = "".join(chance.sample(_SYLLABLES + _MORE_SYLLABLES, chance.choice((2, 2, 3))))
        parts.insert(0, brand)
    if chance.random() < 0.25:
        behind.append(f"{chance.choice('ABDKLMRSTX')}{chance.randrange(10, 9999)}")
    title = " ".join([*parts, *behind])
    return title if chance.random() < 0.3 else title.title()


def _span(tokens: list[str], chance: random.Random) -> str:
    """Return a few neighbouring words of a title, sometimes with one left out."""
    length = min(len(tokens), chance.choice((1, 2, 2, 3, 3, 4, 4, 5, 6)))
    start = chance.randrange(len(tokens) - length + 1) if chance.random() < 0.6 else 0
    span = tokens[start : start + length]
    if len(span) > 2 and chance.random() < 0.3:
        span.pop(chance.randrange(len(span)))
    return " ".join(span)
