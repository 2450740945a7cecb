from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.engine.cli.commands import command, engine, environment


def test_json_has_exactly_the_documented_form(shop: Path) -> None:
    outcome = engine("search", "sábana", "queen", "-k", "3", "--json", cwd=shop)
    assert outcome.err == ""
    assert outcome.out.count("\n") == 1
    answer = outcome.json
    assert list(answer) == ["query", "took_ms", "tokens", "hits"]
    assert answer["query"] == "sábana queen"
    assert answer["took_ms"] > 0
    assert {token["token"] for token in answer["tokens"]} == {"sabana", "queen"}
    assert [hit["rank"] for hit in answer["hits"]] == [1, 2, 3][: len(answer["hits"])]
    assert {hit["id"] for hit in answer["hits"][:2]} == {"S1", "S2"}
    for hit in answer["hits"]:
        assert list(hit) == ["rank", "id", "score", "document"]
    assert "á" in outcome.out


def test_explained_json_sums_to_the_score(shop: Path) -> None:
    answer = engine("search", "cotton queen sheet", "--explain", "--json", cwd=shop).json
    for hit in answer["hits"]:
        assert list(hit) == ["rank", "id", "score", "document", "matches"]
        assert all(list(match) == ["token", "contribution"] for match in hit["matches"])
        total = sum(match["contribution"] for match in hit["matches"])
        assert total == pytest.approx(hit["score"], abs=1e-9)


def test_fields_and_offset(shop: Path) -> None:
    everything = engine("search", "cotton queen sheet", "--json", cwd=shop).json["hits"]
    rest = engine(
        "search", "cotton queen sheet", "--json", "--offset", "1", "--fields", " title, price",
        "--fields", "nope", cwd=shop,
    ).json["hits"]  # fmt: skip
    assert [hit["id"] for hit in rest] == [hit["id"] for hit in everything[1:]]
    assert rest[0]["rank"] == 2
    assert set(rest[0]["document"]) <= {"title", "price"}


def test_a_budget_of_postings(shop: Path) -> None:
    exact = engine("search", "queen cotton", "--json", cwd=shop).json["hits"]
    for rho in ("1.0", "100000"):
        found = engine("search", "queen cotton", "--json", "--rho", rho, cwd=shop).json["hits"]
        assert found == exact
    for rho in ("0", "2.5", "-1", "half", "0.0"):
        outcome = engine("search", "queen cotton", "--rho", rho, cwd=shop)
        assert outcome.code == 2
        assert "neither a whole number of postings" in outcome.err


def test_people_see_rank_score_id_title_and_matched_words(shop: Path) -> None:
    outcome = engine("search", "queen", "cotton", "-k", "2", cwd=shop)
    assert outcome.code == 0
    assert outcome.err == ""
    lines = outcome.out.splitlines()
    assert lines[0].startswith("queen cotton  2 hits in ")
    first = lines[1].split("  ")
    assert first[0].strip() == "1"
    assert "Queen cotton sheet" in outcome.out
    assert "S1 · brand Almarena · price 34.99 · in_stock yes" in outcome.out
    assert "matched " in outcome.out
    assert "Soft sheet" not in outcome.out, "long fields are shown on request only"
    assert "\x1b" not in outcome.out
    assert all(line == line.rstrip() for line in lines)


def test_no_token_known_is_no_error(shop: Path) -> None:
    outcome = engine("search", "🦄", cwd=shop)
    assert outcome.code == 0
    assert outcome.err == ""
    assert "Nothing found for 🦄" in outcome.out
    assert "vocabulary" in outcome.out
    answer = engine("search", "🦄", "--json", cwd=shop).json
    assert answer["hits"] == answer["tokens"] == []
    assert "vocabulary" in answer["reason"]


def test_standard_input_gives_one_object_a_line(shop: Path) -> None:
    lines = "\ufeffqueen\r\n\n   \nsábana\n".encode() + b"\xff\xfe\n" + b"x" * 70_000 + b"\nphone"
    outcome = engine("search", "-", "--json", "-k", "1", cwd=shop, stdin=lines)
    assert outcome.code == 1
    assert outcome.err == ""
    answers = [json.loads(line) for line in outcome.out.splitlines()]
    assert [answer["query"] for answer in answers[:3]] == ["queen", "sábana", "\\xff\\xfe"]
    assert ["error" in answer for answer in answers] == [False, False, True, True, False]
    assert answers[4]["query"] == "phone"


def test_standard_input_for_people(shop: Path) -> None:
    outcome = engine("search", "-", "-k", "1", cwd=shop, stdin=b"queen\n\xff\nphone\n")
    assert outcome.code == 1
    assert outcome.err == "engine: line 2: the line is not valid UTF-8\n"
    assert "\n\nphone  1 hit" in outcome.out
    assert engine("search", "-", cwd=shop).code == 0


def test_answers_come_while_queries_are_written_and_ctrl_c_ends(shop: Path) -> None:
    with subprocess.Popen(
        command("search", "-", "--json", "-k", "1"),
        cwd=shop,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write("sábana\n".encode())
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["query"] == "sábana"
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == b"engine: interrupted\n"
        assert process.wait(30) == 130


def test_a_reader_that_leaves_is_no_news(shop: Path) -> None:
    for arguments in (["search", "-"], ["search", "-", "--json"]):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            command(*arguments),
            cwd=shop,
            env=environment(),
            input=b"queen\n" * 10,
            stdout=writer,
            stderr=subprocess.PIPE,
            check=False,
        )
        os.close(writer)
        assert done.returncode == 141
        assert done.stderr == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_told(shop: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command("info", "--json"),
            cwd=shop,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(b"engine: ")
    assert done.stderr.count(b"\n") == 1


def test_any_locale_prints_utf8(shop: Path) -> None:
    settings = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for variables in (settings, {"PYTHONIOENCODING": "ascii:strict"}):
        outcome = engine("get", "J1", cwd=shop, env=variables)
        assert outcome.json["title"] == "日本の枕カバー 綿100%"


def test_the_environment_names_the_index(shop: Path, tmp_path: Path) -> None:
    place = str(shop / "engine.index")
    assert engine("get", "S1", cwd=tmp_path, env={"ENGINE_INDEX": place}).json["id"] == "S1"
    assert engine("get", "S1", "--index", place, cwd=tmp_path, env={"ENGINE_INDEX": "x"}).code == 0
