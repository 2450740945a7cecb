"""`delete`, `sync`, `index --rebuild` and `--wait`, end to end."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.storage.writer_lock import writer_lock
from tests.engine.cli.commands import Outcome, engine
from tests.engine.cli.conftest import PRODUCTS, write_catalog

Serving = Callable[..., Outcome]


@pytest.fixture
def copy(shop: Path, tmp_path: Path) -> Path:
    """A folder of one's own with the same catalog and index."""
    folder = tmp_path / "copy"
    shutil.copytree(shop, folder)
    return folder


def count(folder: Path) -> int:
    found: int = engine("info", "--json", cwd=folder).json["documents"]
    return found


def test_delete(copy: Path, serving: Serving) -> None:
    outcome = serving("delete", "S1", "nobody", "S1", "P1", cwd=copy)
    assert outcome.code == 0
    assert outcome.out.splitlines() == [
        f"Deleted 2 documents; engine.index holds {len(PRODUCTS) - 2}",
        "1 id not in the index: 'nobody'",
    ]
    assert outcome.err == ""
    engine("get", "S1", cwd=copy).fails(1, "'S1'")
    (copy / "ids.txt").write_bytes("\ufeffS1\r\nP2\r\n\r\n  \nJ1".encode())
    answer = serving("delete", "G1", "--ids", "ids.txt", "--json", cwd=copy).json
    assert answer == {"index": "engine.index", "deleted": 3, "unknown": ["S1"], "documents": 5}
    answer = serving("delete", "--ids", "-", "--json", cwd=copy, stdin=b"T1\nB1\n").json
    assert (answer["deleted"], answer["documents"]) == (2, 3)
    assert count(copy) == 3


def test_delete_refuses_what_makes_no_sense(copy: Path, serving: Serving) -> None:
    serving("delete", cwd=copy).fails(2, "name the ids")
    serving("delete", "S1", "--index", "nowhere", cwd=copy).fails(2, "no index at")
    assert not (copy / "nowhere").exists()
    serving("delete", "--ids", "missing.txt", cwd=copy).fails(2, "missing.txt", "No such file")
    serving("delete", "--ids", ".", cwd=copy).fails(2, "cannot be read", "directory")
    beneath = "catalog.jsonl/ids"
    serving("delete", "--ids", beneath, cwd=copy).fails(2, beneath, "cannot be read")
    serving("delete", "S1", "nobody", "no", "--strict", cwd=copy).fails(
        1, "'nobody' and 1 more", "nothing was deleted"
    )
    serving("delete", "", cwd=copy).fails(2, "must be text and not empty")
    (copy / "bad.txt").write_bytes(b"S1\n\xff\n")
    serving("delete", "--ids", "bad.txt", cwd=copy).fails(1, "bad.txt:2", "UTF-8")
    (copy / "bad.txt").write_bytes(b"S1\n" + b"x" * 200_000)
    serving("delete", "--ids", "bad.txt", cwd=copy).fails(1, "bad.txt:2", "too long")
    (copy / "bad.txt").write_bytes(b"S1\n" + b"x" * 70_000)
    serving("delete", "--ids", "bad.txt", cwd=copy).fails(2, "at most 65535")
    assert count(copy) == len(PRODUCTS)


CHANGED: list[dict[str, object]] = [
    {**PRODUCTS[0], "price": 1.0},
    {**PRODUCTS[1], "title": "Another title altogether"},
    *PRODUCTS[2:6],
    {"id": "N1", "title": "Brand new blanket"},
]


def test_sync(copy: Path, serving: Serving) -> None:
    write_catalog(copy / "new.jsonl", CHANGED)
    told = serving("sync", "new.jsonl", "--dry-run", "--json", cwd=copy).json
    assert count(copy) == len(PRODUCTS)
    shown = serving("sync", "new.jsonl", "--dry-run", cwd=copy).out
    assert shown.startswith("Nothing was changed; a sync would do this\n")
    gone = ", ".join(repr(product["id"]) for product in PRODUCTS[6:])
    assert f"deleted    4 documents: {gone}\n" in shown
    assert "added      1 document: 'N1'" in shown
    assert told["ids"] == {
        "added": ["N1"],
        "replaced": ["S2"],
        "updated": ["S1"],
        "deleted": [str(product["id"]) for product in PRODUCTS[6:]],
        "withheld": [],
    }
    assert "engine.index would hold 7 documents" in shown
    done = serving("sync", "-", "--json", cwd=copy, stdin=(copy / "new.jsonl").read_bytes()).json
    assert "ids" not in done
    for answer in (told, done):
        assert (answer["added"], answer["replaced"], answer["updated"]) == (1, 1, 1)
        assert (answer["unchanged"], answer["deleted"], answer["documents"]) == (4, 4, 7)
    assert (told["encoded"], done["encoded"]) == (0, 2)
    assert engine("get", "S1", cwd=copy).json["price"] == 1.0
    shown = serving("sync", "new.jsonl", cwd=copy).out
    assert shown.startswith("Synchronized in ")
    assert "id from    id" in shown
    assert "unchanged  7 documents" in shown
    assert shown.endswith("engine.index holds 7 documents\n")


def test_sync_keeps_what_a_mistake_would_delete(copy: Path, serving: Serving) -> None:
    before = (copy / "engine.index" / "data.mdb").read_bytes()
    (copy / "empty.jsonl").write_bytes(b"")
    serving("sync", "empty.jsonl", cwd=copy).fails(1, "the file is empty")
    write_catalog(copy / "other.jsonl", [{"id": "Z", "title": "queen"}])
    serving("sync", "other.jsonl", cwd=copy).fails(1, "all 10 documents", "--allow-delete-all")
    write_catalog(copy / "few.jsonl", PRODUCTS[:2])
    few = serving("sync", "few.jsonl", "--max-delete", "7", cwd=copy)
    few.fails(1, "8 documents would be deleted")
    serving("sync", "nowhere.jsonl", cwd=copy).fails(2, "nowhere.jsonl")
    os.mkfifo(copy / "pipe")
    serving("sync", "pipe", cwd=copy).fails(2, "pipe is a pipe", "say - instead")
    assert (copy / "engine.index" / "data.mdb").read_bytes() == before
    with (copy / "few.jsonl").open("a") as catalog:
        catalog.write("{broken\n")
    outcome = serving("sync", "few.jsonl", "--json", cwd=copy)
    assert outcome.code == 1
    answer = json.loads(outcome.out)
    assert (answer["withheld"], answer["deleted"], answer["documents"]) == (8, 0, 10)
    assert answer["rejected"] == {"malformed-json": 1}
    assert "8 documents that the catalog lacks were kept" in outcome.err
    assert outcome.err.count("\n") == 1
    outcome = serving("sync", "few.jsonl", cwd=copy)
    assert "1 bad record, the first of each kind:" in outcome.out
    assert serving("sync", "few.jsonl", "--ignore-rejects", "--json", cwd=copy).json["deleted"] == 8
    answer = serving("sync", "empty.jsonl", "--allow-delete-all", "--json", cwd=copy).json
    assert (answer["deleted"], answer["documents"]) == (2, 0)


def test_rebuild(copy: Path, tiny_model: Path, serving: Serving) -> None:
    write_catalog(copy / "new.jsonl", CHANGED)
    options = ("--rebuild", "--model", tiny_model, "--text-field", "title", "--json")
    answer = serving("index", "new.jsonl", *options, cwd=copy).json
    assert (answer["indexed"], answer["documents"]) == (7, 7)
    assert answer["model"] == str(tiny_model)
    assert answer["sources"][0]["text_fields"] == ["title"]
    assert engine("search", "queen", cwd=copy).code == 0
    serving("index", "new.jsonl", "--ignore-rejects", cwd=copy).fails(2, "goes with --rebuild")


def test_waiting_for_another_writer(copy: Path, serving: Serving) -> None:
    lock = writer_lock(copy / "engine.index")
    lock.__enter__()
    serving("delete", "S1", cwd=copy).fails(1, "another writer", "--wait SECONDS")
    serving("delete", "S1", "--wait", "0.3", cwd=copy).fails(1, "after 0.3 seconds")
    for arguments in (["index", "catalog.jsonl"], ["sync", "catalog.jsonl"]):
        serving(*arguments, "--wait", "0.3", cwd=copy).fails(1, "after 0.3 seconds")
    assert engine("info", "--json", cwd=copy).json["writer_at_work"] is True
    assert "A writer is at work." in engine("info", cwd=copy).out

    def finish() -> None:
        time.sleep(0.5)
        lock.__exit__(None, None, None)

    thread = threading.Thread(target=finish)
    thread.start()
    assert serving("delete", "S1", "--wait", "600", "--json", cwd=copy).json["deleted"] == 1
    thread.join()
    assert engine("info", "--json", cwd=copy).json["writer_at_work"] is False


def test_an_interrupted_run_is_told(copy: Path) -> None:
    from engine.storage.unfinished_run import UnfinishedRun
    from indexer import IndexWriter

    with IndexWriter(copy / "engine.index") as writer:
        writer.begin_run(UnfinishedRun("sync", ("feed 1.jsonl",), "2026-11-24T10:00:00+00:00"))
    (run,) = engine("info", "--json", cwd=copy).json["unfinished"]
    assert run["catalogs"] == ["feed 1.jsonl"]
    shown = " ".join(engine("info", cwd=copy).out.split())
    assert "Interrupted: engine sync 'feed 1.jsonl', begun 2026-11-24T10:00:00+00:00." in shown


def test_later_runs_read_catalogs_as_earlier_ones_were_told(
    copy: Path, tiny_model: Path, serving: Serving
) -> None:
    """The settings are kept in the index; what a run says itself goes first."""
    products: list[dict[str, object]] = [
        {"sku": f"A{at}", "id": "x", "title": "queen sheet", "brand": f"b{at}"} for at in range(3)
    ]
    write_catalog(copy / "new.jsonl", products)
    fields = ("--id-field", "sku", "--text-field", "title", "--text-field", "brand")
    index = ("--index", "told")
    first = serving("index", "new.jsonl", *fields, "--model", tiny_model, *index, cwd=copy)
    assert first.code == 0
    assert "settings" not in first.out
    kept = "--id-field sku --text-field title --text-field brand"
    assert f"settings           {kept}\n" in engine("info", *index, cwd=copy).out
    write_catalog(copy / "new.jsonl", [{**products[0], "price": 3}, *products[1:]])
    for command in (
        ["index", "new.jsonl"],
        ["sync", "new.jsonl"],
        ["sync", "new.jsonl", "--dry-run"],
    ):
        shown = serving(*command, *index, cwd=copy).out
        assert f"settings   {kept}, as kept in the index\n" in shown
        assert "id from    sku" in shown
        assert "replaced   0 documents" in shown or "Indexed 0 documents" in shown
    again = serving("sync", "new.jsonl", "--text-field", "title", *index, "--json", cwd=copy).json
    assert (again["replaced"], again["added"]) == (3, 0)
    assert again["settings"] == {
        "id_field": "sku",
        "text_fields": ["title"],
        "max_active_dims": None,
    }
    assert again["settings_from_index"] == ["id_field"]
    last = serving("index", "new.jsonl", "--max-active-dims", "2", *index, "--json", cwd=copy).json
    assert (last["indexed"], last["settings_from_index"]) == (3, ["id_field", "text_fields"])
    assert serving("sync", "new.jsonl", *index, "--json", cwd=copy).json["unchanged"] == 3
    rebuilt = serving("index", "new.jsonl", "--rebuild", *index, "--json", cwd=copy).json
    assert rebuilt["settings_from_index"] == ["id_field", "text_fields", "max_active_dims"]
    assert serving("sync", "new.jsonl", *index, "--json", cwd=copy).json["unchanged"] == 3
    write_catalog(copy / "other.jsonl", [{"id": "y", "title": "queen"}])
    for name in ("index", "sync"):
        serving(name, "other.jsonl", *index, cwd=copy).fails(
            1, "no record has a field 'sku'", "the index keeps from an earlier run: --id-field sku"
        )


def test_waiting_once(copy: Path) -> None:
    """Whoever was waited for at the door is not waited for a second time inside."""
    from engine.cli.index_place import check_place

    assert check_place(copy / "nowhere", 5.0) == 5.0
    lock = writer_lock(copy / "engine.index")
    lock.__enter__()
    thread = threading.Timer(0.5, lock.__exit__, (None, None, None))
    thread.start()
    assert check_place(copy / "engine.index", 600.0) <= 599.6
    thread.join()


def test_an_index_that_was_truncated_to_nothing_is_not_begun_anew_unasked(
    copy: Path, tiny_model: Path, serving: Serving
) -> None:
    (copy / "engine.index" / "data.mdb").write_bytes(b"")
    for command in (["index", "catalog.jsonl"], ["sync", "catalog.jsonl"], ["search", "queen"]):
        serving(*command, cwd=copy).fails(1, "is truncated", "--rebuild --model NAME")
    serving("index", "catalog.jsonl", "--rebuild", cwd=copy).fails(1, "name one with --model")
    again = serving("index", "catalog.jsonl", "--rebuild", "--model", tiny_model, cwd=copy)
    assert again.code == 0
    assert "the old index could not be read: where it had --id-field" in again.err
    assert count(copy) == len(PRODUCTS)
