"""Words that hold a sentence together and say nothing about its subject."""

from __future__ import annotations

from pathlib import Path


def read_function_words(language: str) -> frozenset[str]:
    """Return the function words of "english" or "spanish", in lower case."""
    path = Path(__file__).with_name(f"function_words.{language}.txt")
    return frozenset(path.read_text(encoding="utf-8").split())
