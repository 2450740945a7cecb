"""Each error end to end: nothing but one line on standard error, and the exit status."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import lmdb
import pytest

from engine.storage import keys
from engine.storage.envelope import seal
from engine.storage.snapshot import Snapshot
from engine.storage.writer_lock import writer_lock
from tests.engine.cli.commands import Outcome, engine


@pytest.fixture
def copy(shop: Path, tmp_path: Path) -> Path:
    """A folder of one's own with the same catalog and index."""
    folder = tmp_path / "copy"
    shutil.copytree(shop, folder)
    return folder


def content(folder: Path) -> bytes:
    return (folder / "engine.index" / "data.mdb").read_bytes()


@pytest.mark.parametrize(
    "arguments",
    [["search", "x"], ["explain", "x", "S1"], ["info"], ["get", "S1"], ["encode", "x"]],
)
def test_no_index_there(tmp_path: Path, arguments: list[str]) -> None:
    outcome = engine(*arguments, "--index", "nowhere", cwd=tmp_path)
    outcome.fails(2, "nowhere", "engine index")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("version", "advice"), [(99, "pip install --upgrade"), (0, "engine index CATALOG --model NAME")]
)
def test_other_formats(
    copy: Path, tiny_model: Path, serving: Callable[..., Outcome], version: int, advice: str
) -> None:
    snapshot = Snapshot(copy / "engine.index")
    manifest = snapshot.manifest
    snapshot.close()
    environment = lmdb.open(str(copy / "engine.index"), map_size=1 << 30)
    with environment.begin(write=True) as transaction:
        newer = dataclasses.replace(manifest, format_version=version, transaction=transaction.id())
        transaction.put(keys.MANIFEST, seal(keys.MANIFEST, newer.to_bytes()))
    environment.close()
    before = content(copy)
    update = ["index", "catalog.jsonl"]
    for arguments in (["search", "queen"], ["info"], update, ["delete", "S1"], ["sync", update[1]]):
        serving(*arguments, cwd=copy).fails(1, f"format version {version}", advice)
    assert content(copy) == before
    # What cannot be read can be built anew; which model it was cannot be known.
    serving(*update, "--rebuild", cwd=copy).fails(1, "name one with --model")
    built = serving(*update, "--rebuild", "--model", tiny_model, "--json", cwd=copy).json
    assert built["documents"] == 10


def test_damaged_index(copy: Path) -> None:
    data = copy / "engine.index" / "data.mdb"
    data.write_bytes(content(copy)[:-5000])
    engine("search", "queen", cwd=copy).fails(1, "truncated")
    data.write_bytes(b"no index at all, just some text" * 1000)
    engine("info", cwd=copy).fails(1, "damaged")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["search", ""], "the query is empty"),
        (["search", " ", "\t"], "the query is empty"),
        (["encode", " "], "the text is empty"),
        (["search"], "Missing argument 'QUERY'. See engine search --help"),
        (["search", "x", "-k", "0"], "0 is not in the range"),
        (["search", "x", "-k", "many"], "many"),
        (["search", "x", "--offset", "-1"], "-1"),
        (["search", "x", "--fields", "a,,b"], "a,,b"),
        (["search", "-9v"], "put -- before"),
        (["search", "x", "--nope"], "--nope"),
        (["nope"], "No such command 'nope'. See engine --help"),
        (["--nope"], "--nope"),
        (["info", "--index", ""], "the path is empty"),
        (["index"], "CATALOG"),
        (["index", "catalog.jsonl", "--batch-size", "0"], "--batch-size"),
        (["index", "catalog.jsonl", "--max-active-dims", "0"], "--max-active-dims"),
        (["index", "catalog.jsonl", "--device", "tpu"], "tpu"),
        (["index", "catalog.jsonl", "--rejects", "catalog.jsonl"], "one of the catalogs"),
        (["index", "catalog.jsonl", "--rejects", "engine.index/x"], "inside the index"),
    ],
)
def test_wrong_usage(
    shop: Path, serving: Callable[..., Outcome], arguments: list[str], said: str
) -> None:
    serving(*arguments, cwd=shop).fails(2, said)


def test_an_argument_that_is_no_text(shop: Path) -> None:
    settings = {"PYTHONUTF8": "1"}
    engine("search", b"caf\xe9", cwd=shop, env=settings).fails(2, "'caf\\udce9' is not valid UTF-8")
    engine("info", "--index", b"caf\xe9", cwd=shop, env=settings).fails(2, "is not valid UTF-8")


def test_no_such_document(shop: Path) -> None:
    engine("get", "nobody", cwd=shop).fails(1, "'nobody'")
    engine("explain", "queen", "nobody", cwd=shop).fails(1, "'nobody'")


def test_catalog_missing(shop: Path, serving: Callable[..., Outcome]) -> None:
    serving("index", "nowhere.jsonl", cwd=shop).fails(2, "nowhere.jsonl", "no such file")
    serving("index", "catalog.jsonl/x", cwd=shop).fails(2, "catalog.jsonl/x", "no such file")
    serving("index", ".", cwd=shop).fails(2, "is a directory")


def test_model_missing(copy: Path, serving: Callable[..., Outcome]) -> None:
    before = content(copy)
    outcome = serving("index", "catalog.jsonl", "--model", "./no/model", cwd=copy)
    outcome.fails(2, "./no/model")
    serving("encode", "x", "--model", "./no/model", cwd=copy).fails(2, "./no/model")
    file = serving("encode", "x", "--model", "catalog.jsonl", cwd=copy)
    file.fails(2, "'catalog.jsonl' is a file")
    assert content(copy) == before


def test_the_model_of_an_index_is_gone(
    tmp_path: Path, shop: Path, tiny_model: Path, serving: Callable[..., Outcome]
) -> None:
    shutil.copytree(tiny_model, tmp_path / "model")
    shutil.copy(shop / "catalog.jsonl", tmp_path)
    built = serving("index", "catalog.jsonl", "--model", tmp_path / "model", cwd=tmp_path)
    assert built.code == 0, built.err
    (tmp_path / "model").rename(tmp_path / "moved")
    (tmp_path / "more.jsonl").write_text('{"id": "N1", "title": "queen"}\n', encoding="utf-8")
    # Nobody named it here, so it is no wrong usage.
    for arguments in (["index", "more.jsonl"], ["encode", "queen", "--as", "document"]):
        serving(*arguments, cwd=tmp_path).fails(1, "say with --model where it is now")


def test_no_record_to_index(copy: Path, serving: Callable[..., Outcome]) -> None:
    before = content(copy)
    (copy / "bad.jsonl").write_text('{"id": "", "title": "x"}\n[1]\n', encoding="utf-8")
    outcome = serving("index", "bad.jsonl", cwd=copy)
    outcome.fails(1, "no record could be indexed", "bad.jsonl:1", "engine.index.rejects.jsonl")
    assert content(copy) == before
    assert len((copy / "engine.index.rejects.jsonl").read_text().splitlines()) == 2


def test_another_model(copy: Path, tiny_model: Path, serving: Callable[..., Outcome]) -> None:
    before = content(copy)
    outcome = serving("index", "catalog.jsonl", "--model", tiny_model, cwd=copy)
    outcome.fails(1, "was built with model default")
    assert content(copy) == before


def test_second_writer(copy: Path, serving: Callable[..., Outcome]) -> None:
    with writer_lock(copy / "engine.index"):
        serving("index", "catalog.jsonl", cwd=copy).fails(1, "another writer")


def test_places_that_cannot_be_written_to(shop: Path, serving: Callable[..., Outcome]) -> None:
    serving("index", "catalog.jsonl", "--index", "catalog.jsonl", cwd=shop).fails(2, "is a file")
    beneath = serving("index", "catalog.jsonl", "--index", "catalog.jsonl/in", cwd=shop)
    beneath.fails(2, "cannot be created")


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, where nobody can make a folder")
def test_a_folder_that_cannot_be_made(
    shop: Path, tiny_model: Path, serving: Callable[..., Outcome]
) -> None:
    arguments = ("--index", "/proc/nowhere/index", "--model", tiny_model)
    serving("index", "catalog.jsonl", *arguments, cwd=shop).fails(1, "/proc/nowhere/index")


def test_strict_stops_at_the_first_bad_record(
    copy: Path, tiny_model: Path, serving: Callable[..., Outcome]
) -> None:
    before = content(copy)
    (copy / "bad.jsonl").write_text('{"id": "1", "title": "queen"}\nnonsense\n', encoding="utf-8")
    arguments = ("--strict", "--model", tiny_model, "--index", "new.index")
    serving("index", "bad.jsonl", *arguments, cwd=copy).fails(1, "bad.jsonl:2", "malformed-json")
    engine("search", "queen", "--index", "new.index", cwd=copy).fails(2, "no index")
    assert content(copy) == before


def test_a_missing_extra_says_what_to_install(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(name='torch')\n")
    (tmp_path / "transformers.py").write_text("raise ModuleNotFoundError(name='transformers')\n")
    (tmp_path / "scipy.py").write_text("raise ModuleNotFoundError(name='scipy')\n")
    extra = 'pip install "sabana-search[indexer]"'
    for arguments in (["index", "catalog.jsonl"], ["encode", "x", "--as", "document"]):
        engine(*arguments, cwd=shop, env={"PYTHONPATH": str(tmp_path)}).fails(1, extra)


def test_vectors_without_a_model_have_no_words(tmp_path: Path) -> None:
    from scipy.sparse import csr_matrix

    from indexer import write_index

    write_index(tmp_path / "own.index", csr_matrix([[1.0, 0.0, 2.0]]), ["a"])
    engine("search", "x", "--index", "own.index", cwd=tmp_path).fails(2, "without a model")
    assert engine("get", "a", "--index", "own.index", cwd=tmp_path).json == {}
    info = engine("info", "--index", "own.index", "--json", cwd=tmp_path).json
    assert info["model"] is None
    assert engine("info", "--index", "own.index", cwd=tmp_path).code == 0
