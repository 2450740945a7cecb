from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.cli.group import engine as group
from engine.cli.outcome import run
from tests.engine.cli.commands import Outcome, engine
from tests.engine.cli.conftest import PRODUCTS, write_catalog

BAD = b"""{"id": "1", "title": "queen sheet"}
not json
{"title": "no id here"}
{"id": "2", "title": "phone case"}
{"id": "2", "title": "cotton phone case"}
also not json
{"id": "3", "price": 4}
"""


def test_summary_for_people(shop: Path) -> None:
    summary = (shop / "summary.txt").read_text(encoding="utf-8")
    lines = summary.splitlines()
    assert lines[0].startswith(f"Indexed {len(PRODUCTS)} documents in ")
    assert "a second" in lines[0]
    assert "source     catalog.jsonl" in lines
    assert "id from    id" in lines
    assert "text from  title, description" in lines
    assert f"engine.index holds {len(PRODUCTS)} documents" in summary
    assert lines[-1] == 'Try: engine search "words to look for"'
    assert "bad record" not in summary
    assert not list(shop.glob("*.rejects.jsonl"))


def test_bad_records_are_set_aside_and_shown(
    tmp_path: Path, tiny_model: Path, serving: Callable[..., Outcome]
) -> None:
    (tmp_path / "bad.jsonl").write_bytes(BAD)
    outcome = serving(
        "index", "bad.jsonl", "--model", tiny_model, "--index", "my shop",
        cwd=tmp_path, env={"COLUMNS": "200"},
    )  # fmt: skip
    assert outcome.code == 0
    assert "Indexed 2 documents" in outcome.out
    assert "5 bad records, the first of each kind:" in outcome.out
    assert "2 malformed-json  bad.jsonl:2: " in outcome.out
    assert "1 missing-id" in outcome.out
    assert "1 duplicate-id" in outcome.out
    assert "All of them are in my shop.rejects.jsonl" in outcome.out
    assert outcome.out.endswith("--index 'my shop'\n")
    rejects = (tmp_path / "my shop.rejects.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["line"] for line in rejects) == [2, 3, 5, 6, 7]
    assert sorted(file.name for file in (tmp_path / "my shop").iterdir()) == [
        "data.mdb",
        "lock.mdb",
        "writer.lock",
    ]
    title = engine("get", "2", "--index", "my shop", cwd=tmp_path).json["title"]
    assert title == "cotton phone case"


def test_summary_as_json_again_and_after_a_change(
    tmp_path: Path, tiny_model: Path, serving: Callable[..., Outcome]
) -> None:
    def index(*arguments: str | Path, stdin: bytes = b"") -> dict[str, object]:
        options = ("--model", tiny_model, "--json", "--rejects", "out/of/way.jsonl")
        outcome = serving("index", *arguments, *options, cwd=tmp_path, stdin=stdin)
        summary: dict[str, object] = outcome.json
        return summary

    products: list[dict[str, object]] = [
        {"sku": n, "name": "queen sheet", "notes": "cotton " * n} for n in range(30)
    ]
    write_catalog(tmp_path / "a.jsonl", products)
    chosen = ("--id-field", "sku", "--text-field", "notes", "--text-field", "name")
    first = index("a.jsonl", *chosen, "--batch-size", "4", "--max-active-dims", "5")
    assert first["indexed"] == first["documents"] == 30
    assert first["unchanged"] == first["replaced"] == 0
    assert first["truncated"] == 17  # of 16 tokens 2 are special, and 2 are the name
    assert first["rejected"] == {}
    assert first["rejects_file"] is None
    assert first["sources"][0]["text_fields"] == ["notes", "name"]  # type: ignore[index]
    assert 0 < first["active_dimensions"] <= 5  # type: ignore[operator]
    assert first["index"] == "engine.index"
    products[3]["name"] = "phone case"
    write_catalog(tmp_path / "a.jsonl", [*products, {"sku": 99}])
    second = index(
        "-", *chosen, "--max-active-dims", "5", stdin=(tmp_path / "a.jsonl").read_bytes()
    )
    assert second["indexed"] == second["replaced"] == 1
    assert second["unchanged"] == 29
    assert second["documents"] == 30
    assert second["rejected"] == {"no-text": 1}
    assert second["first_rejects"][0]["source"] == "<stdin>"  # type: ignore[index]
    assert (tmp_path / "out/of/way.jsonl").exists()


def test_interrupted(
    tmp_path: Path,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(*arguments: object, **settings: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("indexer.pipeline.index_catalog", interrupted)
    catalog = write_catalog(tmp_path / "a.jsonl", PRODUCTS)
    place = str(tmp_path / "index")
    assert run(group, ["index", str(catalog), "--index", place, "--model", str(tiny_model)]) == 130
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("engine: interrupted; what was committed stays")
    assert captured.err.count("\n") == 1
