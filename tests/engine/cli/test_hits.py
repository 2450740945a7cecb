"""How results look, at any width and with any document."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from engine.cli.hits import headline, print_results
from engine.cli.streams import one_line
from engine.results import Hit, Match, QueryToken, SearchResults

MATCHES = (Match("queen", 2.0, 1.5, 3.0), Match("##bana", 1.0, 0.25, 0.25))


def results(*documents: dict[str, Any]) -> SearchResults:
    hits = tuple(
        Hit(rank, f"id-{rank}", 3.25, MATCHES, json.dumps(document).encode())
        for rank, document in enumerate(documents, start=1)
    )
    return SearchResults("queen", hits, (QueryToken("queen", 2.0),), 0.5)


def printed(capsys: pytest.CaptureFixture[str], found: SearchResults, **settings: Any) -> str:
    print_results(found, **{"fields": None, "offset": 0, "explain": False, **settings})
    return capsys.readouterr().out


@pytest.mark.parametrize("width", [60, 80, 120])
def test_nothing_is_wider_than_the_terminal(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    documents: list[dict[str, Any]] = [
        {"title": "綿100%クイーンサイズの柔らかいシーツ" * 5, "brand": "枕" * 15, "price": 1.5},
        {"title": "unbroken" * 30, "maker": "x" * 39, "shelf": "y" * 39},
    ]
    shown = printed(capsys, results(*documents))
    assert max(map(cell_len, shown.splitlines())) <= width
    squeezed = "".join(shown.split())
    assert "unbroken" * 30 in squeezed
    assert documents[0]["title"] in squeezed


@pytest.mark.parametrize(
    ("document", "field", "title"),
    [
        ({"brand": "A", "title": "T"}, "title", "T"),
        ({"name": "N", "title": " "}, "name", "N"),
        ({"Product Name": "N", "brand": "A"}, "Product Name", "N"),
        ({"brand": "A", "Título": "T"}, "Título", "T"),
        ({"sku": "id-1", "n": 4, "notes": "text"}, "notes", "text"),
        ({"n": 4}, None, "id-1"),
        ({}, None, "id-1"),
    ],
)
def test_headline(document: dict[str, Any], field: str | None, title: str) -> None:
    assert headline(document, "id-1") == (field, title)


def test_fields_are_compact(capsys: pytest.CaptureFixture[str]) -> None:
    document = {
        "id": "id-1", "title": "T", "note": "n" * 41, "price": 9.5, "new": True, "gone": None,
        "tags": ["a", "b"], "size": {"cm": 3}, "empty": "",
    }  # fmt: skip
    shown = printed(capsys, results(document))
    assert 'id-1 · price 9.5 · new yes · tags a, b · size {"cm": 3}\n' in shown
    assert "matched queen, ##bana\n" in shown
    shown = printed(capsys, results(document), fields=["note", "price"], explain=True)
    assert "1  3.25  " + "n" * 41 in shown
    assert "id-1 · price 9.5\n" in shown
    assert "matched queen 3.00 + ##bana 0.25 = 3.25\n" in shown


def test_a_field_that_no_hit_has_is_mentioned(capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed(capsys, results({"title": "T"}), fields=["titel"])
    assert "No hit has a field titel; their fields are: title" in shown


def test_nothing_found_is_said_kindly(capsys: pytest.CaptureFixture[str]) -> None:
    nothing = SearchResults("queen", (), (QueryToken("queen", 2.0),), 0.5)
    assert "No document is indexed under queen" in printed(capsys, nothing)
    assert "after the first 20" in printed(capsys, nothing, offset=20)
    empty = SearchResults("q", (), nothing.tokens, 0.5, "the index holds no documents")
    assert "The index holds no documents." in printed(capsys, empty)


def test_documents_cannot_drive_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    document = {"title": "[bold]T[/bold] :smile: \x1b[31mred\x07\u202eevil\nnext"}
    shown = printed(capsys, results(document))
    assert "[bold]T[/bold] :smile: �[31mred��evil next" in shown


def test_colours_for_terminals_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "\x1b" not in printed(capsys, results({"title": "T"}))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[36m" in printed(capsys, results({"title": "T"}))
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[36m" not in printed(capsys, results({"title": "T"}))


@given(st.text())
def test_one_line_is_one_line(text: str) -> None:
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in line)
    assert one_line(line) == line
