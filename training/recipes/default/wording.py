"""How shoppers put a search into words: bare keywords, or a question around them."""

from __future__ import annotations

import random

_SPANISH = (
    "¿Hay {} disponible?", "¿Hay {} disponibles?", "¿Tienen {}?", "¿Tenéis {}?", "¿Venden {}?",
    "busco {}", "Busco {} a buen precio", "estoy buscando {}", "necesito {}", "Necesito comprar {}",
    "quiero comprar {}", "quiero {}", "¿Dónde puedo comprar {}?", "¿Dónde encuentro {}?",
    "¿Cuál es el mejor {}?", "¿Qué {} me recomiendan?", "¿Cuánto cuesta {}?", "me hace falta {}",
    "¿Existe {}?", "¿Tienen en existencia {}?", "recomiéndame {}", "muéstrame {}", "algo como {}",
    "¿Puedo conseguir {} en esta tienda?", "¿Qué opciones hay de {}?", "oferta de {}", "{} barato",
    "¿Me pueden ayudar a encontrar {}?", "comprar {}", "{} precio", "¿Es posible comprar {} aquí?",
    "¿Manejan {}?", "¿Qué {} tienen?", "¿Qué {} venden?", "¿Qué precio tiene {}?", "quisiera {}",
    "me gustaría ver {}", "¿Me enseñan {}?", "¿Cuánto vale {}?", "ando buscando {}", "¿Qué {} hay?",
    "me interesa {}", "¿Dónde consigo {}?", "quisiera comprar {}", "¿Ofrecen {}?", "¿Les queda {}?",
)  # fmt: skip
_ENGLISH = (
    "do you have {}?", "is there a {} available?", "where can I buy {}?", "looking for {}",
    "I need {}", "I want to buy {}", "best {}", "which {} is the best?", "show me {}", "buy {}",
    "cheap {}", "how much is {}?", "are there any {} in stock?", "what {} do you recommend?",
    "can you help me find {}?", "{} for sale", "I am looking for {}", "recommend {}",
)  # fmt: skip
_SPANISH_SMALL_WORDS = ("de", "con", "para", "en")


def in_spanish(keywords: str, chance: random.Random, *, questions: float = 0.4) -> str:
    """Return the keywords, a share of them (`questions`) as a Spanish question or request."""
    if chance.random() < questions:
        return chance.choice(_SPANISH).format(keywords)
    return keywords


def in_english(keywords: str, chance: random.Random, *, questions: float = 0.15) -> str:
    """Return the keywords, a share of them (`questions`) as an English question or request."""
    if chance.random() < questions:
        return chance.choice(_ENGLISH).format(keywords)
    return keywords


def join_spanish(noun: str, attributes: list[str], chance: random.Random) -> str:
    """Return a Spanish noun followed by its attributes, some behind a preposition."""
    parts = [noun]
    for attribute in attributes:
        if chance.random() < 0.2:
            parts.append(chance.choice(_SPANISH_SMALL_WORDS))
        parts.append(attribute)
    return " ".join(parts)


def plural(noun: str, language: str, chance: random.Random, *, share: float = 0.25) -> str:
    """Return the noun, a share of times with its head in the plural by the common rules."""
    if chance.random() >= share:
        return noun
    head, space, rest = noun.partition(" ")
    if language == "es":
        return _spanish_plural(head) + space + rest
    first, space, last = noun.rpartition(" ")
    return first + space + _english_plural(last)


def _spanish_plural(word: str) -> str:
    if word.endswith("s"):
        return word
    if word.endswith("z"):
        return word[:-1] + "ces"
    return word + ("s" if word[-1] in "aeiouáéó" else "es")


def _english_plural(word: str) -> str:
    if word.endswith("s"):
        return word
    if word.endswith(("x", "ch", "sh")):
        return word + "es"
    if word.endswith("y") and len(word) > 1 and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"
