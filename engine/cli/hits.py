"""Search results for people: rank, score, title, id and fields, and the words that matched."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.cells import cell_len
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from engine.cli.output import PlainConsole, count, normalise, plain
from engine.results import Hit, SearchResults

_LONGEST_TITLE = 300
_TITLES = ("title", "name", "producttitle", "productname", "itemname", "titulo", "nombre")
_LONGEST_VALUE = 40
_MOST_FIELDS = 8


def print_results(
    results: SearchResults, fields: Sequence[str] | None, *, offset: int, explain: bool
) -> None:
    """Print the answer to one query.

    Args:
        results: hits that carry their matches.
        fields: names of the document fields to show; None shows those that are short.
        offset: how many hits were left out before these.
        explain: show what each token contributes, not only which matched.
    """
    console = PlainConsole()
    if not results.hits:
        console.print(_nothing(results, offset), soft_wrap=False)
        return
    head = plain(results.query)
    head.stylize("bold")
    head.append(f"  {count(len(results), 'hit')} in {results.took_ms:.2f} ms", "dim")
    console.print(head)
    table = Table.grid(padding=(0, 2, 0, 0), expand=False)
    table.add_column(justify="right", style="dim", no_wrap=True)
    table.add_column(justify="right", style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for hit in results:
        body = Text("\n").join(_lines(hit, fields, explain))
        table.add_row(str(hit.rank), f"{hit.score:.2f}", body)
    console.print(Padding(table, (0, 0, 0, 1)))
    _mention_unknown_fields(console, results, fields)


def headline(document: Mapping[str, Any], id: str) -> tuple[str | None, str]:
    """Return name and text of the field that says what a document is; (None, id) if none does."""
    texts = {name: value for name, value in document.items() if _is_text(value) and value != id}
    by_name: dict[str, str] = {}
    for name in texts:
        by_name.setdefault(normalise(name), name)
    for title in _TITLES:
        if title in by_name:
            return by_name[title], texts[by_name[title]]
    return next(iter(texts.items()), (None, id))


def _lines(hit: Hit, fields: Sequence[str] | None, explain: bool) -> list[Text]:
    document = hit.document
    if fields is not None:
        document = {name: document[name] for name in fields if name in document}
    named, title = headline(document, hit.id)
    first = plain(title if len(title) <= _LONGEST_TITLE else f"{title[:_LONGEST_TITLE]}...")
    first.stylize("bold")
    lines = [first]
    parts = [] if named is None else [plain(hit.id)]
    parts.extend(_fields(document, hit.id, named, shorten=fields is None))
    if parts:
        line = parts[0]
        for part in parts[1:]:
            line.append(" · ", "dim").append(part)
        lines.append(line)
    if hit.matches is not None:
        lines.append(_matches(hit, explain))
    return lines


def _fields(
    document: Mapping[str, Any], id: str, named: str | None, *, shorten: bool
) -> list[Text]:
    shown: list[Text] = []
    for name, value in document.items():
        text = _text_of(value)
        # The id has its place already, whether it was a string or a number.
        if name == named or not text or text == id:
            continue
        if shorten and (cell_len(text) > _LONGEST_VALUE or len(shown) == _MOST_FIELDS):
            continue
        shown.append(Text.assemble((plain(name).plain + " ", "dim"), plain(text)))
    return shown


def _matches(hit: Hit, explain: bool) -> Text:
    matches = hit.matches or ()
    if explain:
        terms = " + ".join(f"{match.token} {match.contribution:.2f}" for match in matches)
        text = f"matched {terms} = {hit.score:.2f}"
    else:
        text = "matched " + ", ".join(match.token for match in matches)
    line = plain(text)
    line.stylize("dim")
    return line


def _nothing(results: SearchResults, offset: int) -> Text:
    head = plain(f"Nothing found for {results.query}")
    head.stylize("bold")
    tokens = ", ".join(token.token for token in results.tokens)
    if results.reason is not None:
        advice = f"{results.reason[:1].upper()}{results.reason[1:]}."
        if not results.tokens:
            advice += " Try other words, or their spelling."
    elif offset:
        advice = f"There are no hits after the first {offset:,}. Try a smaller --offset."
    else:
        advice = f"No document is indexed under {tokens}. Try fewer or more common words."
    return head.append("\n").append(plain(advice))


def _mention_unknown_fields(
    console: PlainConsole, results: SearchResults, fields: Sequence[str] | None
) -> None:
    known = {name: None for hit in results for name in hit.document}
    unknown = [name for name in fields or () if name not in known]
    if unknown:
        there = ", ".join(known) or "none"
        text = f"No hit has a field {', '.join(unknown)}; their fields are: {there}"
        console.print(plain(text), style="dim")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _text_of(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case str():
            return value.strip()
        case list() if all(isinstance(item, str | int | float) for item in value):
            return ", ".join(_text_of(item) for item in value)
        case dict() | list():
            return json.dumps(value, ensure_ascii=False)
    return str(value)
