"""Training pairs for longer texts: questions with their passages, and WordNet's definitions.

They keep general retrieval alive, which training on product titles alone costs.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from training.recipes.default.sources import Question
from training.recipes.default.titles import Pair

_DEFINITIONS = (
    "what is {}", "what is a {}", "define {}", "{} definition", "{} meaning", "definition of {}",
    "what does {} mean", "{}", "what are {}", "meaning of {}", "{} explained",
)  # fmt: skip
_SPANISH_DEFINITIONS = ("qué es {}", "¿Qué es {}?", "definición de {}", "{} significado", "{}")
_LONG_SPANS = 0.25  # share of the spans that are as much of a sentence as this many words
_LONGEST_SPAN = 60
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


def questions(
    entries: Sequence[Question], spans: int, chance: random.Random
) -> Iterator[tuple[str, Pair]]:
    """Yield (language of the query, pair): each question, and `spans` spans of each passage."""
    passages: dict[str, str] = {}
    for entry in entries:
        pair = {"document": entry.passage, "key": entry.passage[:80]}
        yield "en", {"query": entry.english, **pair}
        if entry.spanish:
            yield "es", {"query": entry.spanish, "teacher_query": entry.english, **pair}
            own = {"document": entry.spanish_passage, "key": entry.passage[:80]}
            yield "es", {"query": entry.spanish, **own}
        passages[entry.passage] = entry.spanish_passage
    for passage in passages:
        for _ in range(spans):
            query, rest = _take_span(passage, chance)
            if query:
                yield "en", {"query": query, "document": rest, "key": passage[:80]}


def definitions(
    wordnet: Path, spanish: Mapping[str, str], chance: random.Random
) -> Iterator[tuple[str, Pair]]:
    """Yield (language of the query, pair) for the nouns of WordNet, read from its `data.noun`.

    `spanish` gives a Spanish word for an English one. A passage is a noun's definition, often
    followed by that of the broader term.
    """
    glosses: dict[str, tuple[list[str], str, list[str]]] = {}
    with (wordnet / "data.noun").open(encoding="utf-8") as file:
        for line in file:
            if line.startswith("  "):
                continue
            head, _, gloss = line.partition(" | ")
            fields = head.split()
            count = int(fields[3], 16)
            lemmas = [fields[4 + 2 * i].replace("_", " ") for i in range(count)]
            broader = [fields[i + 1] for i in range(4 + 2 * count, len(fields) - 1)
                       if fields[i] in ("@", "@i")]  # fmt: skip
            glosses[fields[0]] = (lemmas, gloss.strip().replace('"', ""), broader)
    for number, (lemmas, gloss, broader) in glosses.items():
        name = chance.choice(lemmas)
        passage = f"{', '.join(lemmas[:4])}: {gloss}."
        if broader and chance.random() < 0.5:
            above, more, _ = glosses[broader[0]]
            passage += f" It is a kind of {above[0]}, {more}."
        pair = {"document": passage, "key": f"wordnet {number}"}
        yield "en", {"query": chance.choice(_DEFINITIONS).format(name), **pair}
        if name in spanish:
            query = chance.choice(_SPANISH_DEFINITIONS).format(spanish[name])
            yield "es", {"query": query, "teacher_query": f"what is {name}", **pair}


def _take_span(passage: str, chance: random.Random) -> tuple[str, str]:
    """Return a span of a passage, and the passage, mostly without the sentence it came from.

    Most spans have 4 to 10 words; some are whole sentences, as people ask who paste what they read.
    """
    sentences = [each for each in _SENTENCE.split(passage) if len(each.split()) >= 5]
    if len(sentences) < 2:
        return "", passage
    sentence = chance.choice(sentences)
    tokens = sentence.split()
    is_long = chance.random() < _LONG_SPANS
    length = min(len(tokens), _LONGEST_SPAN if is_long else chance.randrange(4, 11))
    start = chance.randrange(len(tokens) - length + 1)
    query = " ".join(tokens[start : start + length]).lower()
    rest = passage.replace(sentence, " ") if chance.random() < 0.7 else passage
    return query, " ".join(rest.split())
