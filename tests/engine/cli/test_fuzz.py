"""Whatever a catalog, a query or a file of queries holds: an answer or one line, no traceback."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from engine.cli.group import engine as group
from engine.cli.outcome import run
from indexer import index_catalog
from indexer.catalog import CatalogReader
from indexer.model_choice import ModelChoice
from tests.indexer.word_model import WORDS, WordModel

QUICK = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
LONG = settings(QUICK, max_examples=2000)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz")
    lines = [{"id": f"p{at}", "title": " ".join(WORDS[at : at + 4])} for at in range(30)]
    catalog = folder / "catalog.jsonl"
    catalog.write_text("".join(json.dumps(line) + "\n" for line in lines))
    model: Any = WordModel()
    index_catalog(CatalogReader([catalog]), model, folder / "index")
    return folder / "index"


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ModelChoice, "load", lambda *_: WordModel())


def command(*arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
    """Run a command in this process: its status, and what it printed."""
    streams = {name: io.TextIOWrapper(io.BytesIO(), "utf-8") for name in ("stdout", "stderr")}
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(streams["stdout"]))
        stack.enter_context(contextlib.redirect_stderr(streams["stderr"]))
        before, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(stdin))
        try:
            code = run(group, arguments)
        finally:
            sys.stdin = before
        for stream in streams.values():
            stream.flush()
    out, err = (streams[name].buffer.getvalue().decode() for name in ("stdout", "stderr"))
    assert code in (0, 1, 2)
    for told in (out, err):
        assert "Traceback" not in told
        assert "this is a bug" not in told
        assert "\0" not in told
    assert all(line.startswith("engine: ") for line in err.splitlines())
    assert code == 0 or err or "error" in out
    return code, out, err


@contextlib.contextmanager
def copied(index: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(shutil.copytree(index, Path(folder) / "index"))


KEYS = st.sampled_from(["id", "sku", "title", "description", "price"]) | st.text(max_size=3)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from([*WORDS[:5], "p1", "p2", "\ud800", "\0", " "])
    | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
GOOD = st.tuples(st.integers(0, 40), st.lists(st.sampled_from(WORDS), min_size=1, max_size=4)).map(
    lambda pair: json.dumps({"id": f"p{pair[0]}", "title": " ".join(pair[1])}).encode()
)
LINES = (
    GOOD
    | st.dictionaries(KEYS, VALUES, max_size=5).map(lambda fields: json.dumps(fields).encode())
    | st.binary(max_size=40)
)
CATALOGS = st.lists(LINES, max_size=10).map(b"\n".join) | st.binary(max_size=200)
NAMES = st.sampled_from(["a.jsonl", "a.csv", "a.parquet", "a.gz", "a"])


def check_catalog(index: Path, content: bytes, name: str, action: str) -> None:
    with copied(index) as path:
        catalog = path.parent / name
        catalog.write_bytes(content)
        place = ("--index", str(path), "--json")
        options = ("--rebuild",) if action == "rebuild" else ()
        verb = "sync" if action == "sync" else "index"
        code, out, _ = command(verb, str(catalog), *options, *place)
        if out:
            assert json.loads(out)["documents"] >= 0
        else:
            assert code == 1
        assert json.loads(command("search", "w1 w2", *place)[1])["tokens"]
        assert json.loads(command("info", *place)[1])["unfinished"] == [] or code


@QUICK
@given(CATALOGS, NAMES, st.sampled_from(["index", "sync", "rebuild"]))
def test_catalogs(index: Path, content: bytes, name: str, action: str) -> None:
    check_catalog(index, content, name, action)


QUERIES = st.text(st.characters(), max_size=40) | st.lists(
    st.sampled_from([*WORDS, "[UNK]", "\0", "\ud83d", "🛏", "-", "\u202e", "´"]), max_size=12
).map(" ".join)


@QUICK
@given(st.lists(QUERIES, min_size=1, max_size=3), st.booleans())
@example(["--", "-"], False)
@example(["w1 " * 70_000], True)
def test_queries(index: Path, words: list[str], as_json: bool) -> None:
    options = ("--index", str(index), *(("--json",) if as_json else ()))
    for verb in ("search", "explain", "encode", "get", "delete"):
        code, out, _ = command(verb, *options, "--", *words)
        if as_json and code == 0:
            json.loads(out.split("\n")[0] if verb == "search" else out)


QUERY_FILES = st.lists(
    QUERIES.map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(max_size=30),
    max_size=6,
).map(b"\n".join)


@QUICK
@given(QUERY_FILES, st.booleans())
@example(b"w1\r\n\r\n" + b"x" * 300_000 + b"\nw2", True)
def test_query_files(index: Path, content: bytes, as_json: bool) -> None:
    options = ("--index", str(index), *(("--json",) if as_json else ()))
    _, out, _ = command("search", "-", *options, stdin=content)
    if as_json:
        # In JSON each line that is not blank has its answer, or says why it has none.
        for line in out.split("\n")[:-1]:
            assert json.loads(line).keys() & {"hits", "error"}


@QUICK
@given(QUERY_FILES)
def test_files_of_ids(index: Path, content: bytes) -> None:
    with copied(index) as path:
        code, out, _ = command(
            "delete", "--ids", "-", "--json", "--index", str(path), stdin=b"p1\n" + content
        )
        assert code or json.loads(out)["documents"] <= 29
        if code:
            assert json.loads(command("info", "--json", "--index", str(path))[1])["documents"] == 30


WORDS_OF_COMMANDS = st.sampled_from(
    [
        *["index", "sync", "delete", "search", "info", "verify", "backup", "compact"],
        *["--json", "--index", "--k", "-k", "--strict", "--wait", "--rebuild", "--ids", "--deep"],
        *["nan", "inf", "1e400", "-1", "0", "99999999999999999999", ""],
    ]
) | st.text(st.characters(codec="utf-8"), max_size=6)


@QUICK
@given(st.lists(WORDS_OF_COMMANDS, max_size=6))
def test_any_arguments(tmp_path_factory: pytest.TempPathFactory, arguments: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("empty"))
        command(*arguments)


@pytest.mark.soak
@LONG
@given(CATALOGS, NAMES, st.sampled_from(["index", "sync", "rebuild"]))
def test_many_catalogs(index: Path, content: bytes, name: str, action: str) -> None:
    check_catalog(index, content, name, action)


@pytest.mark.soak
@LONG
@given(QUERY_FILES)
def test_many_query_files(index: Path, content: bytes) -> None:
    command("search", "-", "--json", "--index", str(index), stdin=content)
