"""`explain`, `encode`, `info` and `get`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine import SearchEngine
from tests.engine.cli.commands import Outcome, engine


def test_explain_json(shop: Path) -> None:
    answer = engine("explain", "queen cotton xyz", "S1", "--json", cwd=shop).json
    assert list(answer) == ["query", "id", "score", "matches", "missing"]
    assert {match["token"] for match in answer["matches"]} >= {"queen", "cotton"}
    for match in answer["matches"]:
        assert list(match) == ["token", "weight", "document_weight", "contribution"]
    total = sum(match["contribution"] for match in answer["matches"])
    assert total == pytest.approx(answer["score"])
    assert all(list(token) == ["token", "weight"] for token in answer["missing"])


def test_explain_for_people(shop: Path) -> None:
    outcome = engine("explain", "queen", "xyz", "S1", cwd=shop)
    lines = outcome.out.splitlines()
    assert lines[0] == "Queen cotton sheet  S1"
    assert lines[1].split() == ["token", *["query", "weight", "document", "weight", "contribution"]]
    assert lines[2].split()[0] == "queen"
    assert lines[-1].split()[0] == "score"
    assert lines[-1].split()[1] == lines[2].split()[-1]
    assert any(line.split()[2:] == ["-", "-"] for line in lines[3:-1])
    assert "vocabulary" in engine("explain", "🦄", "S1", cwd=shop).out


def test_encode_as_a_query_is_what_a_search_uses(shop: Path) -> None:
    answer = engine("encode", "sábana", "queen", "--json", cwd=shop).json
    with SearchEngine.open(shop / "engine.index") as opened:
        expected = opened.encode_query("sábana queen")
    assert [(token["token"], token["weight"]) for token in answer["tokens"]] == expected
    assert answer["model"] == "default"
    shown = engine("encode", "sábana", "queen", "--top", "1", cwd=shop).out.splitlines()
    assert shown[1].split()[0] == expected[0][0]
    assert shown[2] == "1 of 2 tokens, as a query, with model default"


def test_encode_as_a_document(
    shop: Path, tmp_path: Path, tiny_model: Path, serving: Callable[..., Outcome]
) -> None:
    own = serving(
        "encode", "queen sheet", "--as", "document", "--top", "3", "--json", cwd=shop
    ).json
    assert own["model"] == "default"
    assert len(own["tokens"]) == 3 < own["active_dimensions"]
    weights = [token["weight"] for token in own["tokens"]]
    assert weights == sorted(weights, reverse=True)
    assert own["truncated"] is False
    options = ("--as", "document", "--model", tiny_model)
    assert "cut off" in serving("encode", "queen " * 40, *options, cwd=tmp_path).out
    query = serving("encode", "queen 🦄", "--model", tiny_model, "--json", cwd=tmp_path).json
    assert [token["token"] for token in query["tokens"]] == ["queen"]
    assert "Nothing" in serving("encode", "🦄", "--model", tiny_model, cwd=tmp_path).out


def test_encode_without_an_index_uses_the_default(
    tmp_path: Path, serving: Callable[..., Outcome]
) -> None:
    assert serving("encode", "queen", "--json", cwd=tmp_path).json["model"] == "default"


def test_info(shop: Path) -> None:
    answer = engine("info", "--json", cwd=shop).json
    assert answer["documents"] == 10
    assert answer["format_version"] == 1
    assert answer["bytes_by_part"]["postings"] > 0
    shown = engine("info", cwd=shop, env={"COLUMNS": "60"}).out
    assert answer["fingerprint"][:20] in shown
    assert "Bytes by part" in shown
    assert all(len(line) <= 60 for line in shown.splitlines())


def test_get(shop: Path) -> None:
    for arguments in (["get", "P2"], ["get", "P2", "--json"]):
        outcome = engine(*arguments, cwd=shop)
        assert outcome.json["size"] == {"cm": 14}
        assert outcome.out.count("\n") == 1


def test_version(shop: Path) -> None:
    assert engine("--version", cwd=shop).out.startswith("engine, version ")
