"""Every command and every snippet of the README and the docs, run."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("*/README.md"))]
# Benchmarks run small here: what is tested is that the command of the page works.
SMALL = {
    "benchmarks.kernel": ["--documents", "2000", "--queries", "20", "--rounds", "1"],
    "benchmarks.build": ["--documents", "600", "--active-dims", "20", "--rounds", "1"],
    "benchmarks.report": ["--scale", "smoke"],
    "benchmarks.encode": ["--documents", "30", "--rounds", "1", "--batch-sizes", "32"],
    "benchmarks.updates": [
        *("--documents", "600", "--active-dims", "20", "--commits", "3", "--batch", "50"),
        *("--batches", "2", "--queries", "10", "--rounds", "1"),
    ],
    "benchmarks.first_search": ["--processes", "2"],
}
# These run this very suite, or what the tests of the Makefile below run.
NOT_HERE = {"make test", "make demo"}


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


def commands(page: Path) -> Iterator[tuple[str, str]]:
    """Each command of a page, and what the page shows of its output."""
    for block in blocks(page, "console"):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            line, _, shown = part.partition("\n")
            yield line, shown.strip("\n")


def run(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    words = shlex.split(line)
    if words[0] == "engine":
        words = [sys.executable, "-m", "engine.cli", *words[1:]]
    elif words[:2] == ["python", "-m"]:
        words = [sys.executable, *words[1:], *SMALL[words[2]]]
    else:
        pytest.fail(f"{line}: no test knows how to run this")
    return subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like a checkout, in which the README's own commands have built the index."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "examples", folder / "examples")
    done = run("engine index examples/catalog.jsonl", folder)
    assert done.returncode == 0, done.stderr
    return folder


ALL = [(page, *pair) for page in PAGES for pair in commands(page) if pair[0] not in NOT_HERE]


@pytest.mark.parametrize(
    ("page", "line", "shown"),
    ALL,
    ids=[f"{page.parent.name}/{page.name}: {line}" for page, line, _ in ALL],
)
def test_command(folder: Path, page: Path, line: str, shown: str) -> None:
    done = run(line, folder)
    assert done.returncode == 0, done.stderr
    if shown and line.startswith("engine search"):
        assert layout(done.stdout)[:4] == layout(shown)[:4]
        assert len(layout(done.stdout)) == len(layout(shown))


def layout(text: str) -> list[str]:
    """The lines of a transcript, without times and scores, which differ between machines."""
    lines = [line.rstrip() for line in text.strip().splitlines()]
    return [re.sub(r"\d+\.\d\d", "SCORE", line.replace(" ms", "")) for line in lines]


SNIPPETS = [(page, code) for page in PAGES for code in blocks(page, "python")]


@pytest.mark.parametrize(
    ("page", "code"), SNIPPETS, ids=[f"{page.name}-{at}" for at, (page, _) in enumerate(SNIPPETS)]
)
def test_snippet(folder: Path, page: Path, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    exec(compile(code, str(page), "exec"), {})


def test_there_is_something_to_test() -> None:
    assert len(ALL) >= 5
    run_here = " ".join(line for _, line, _ in ALL)
    assert all(module in run_here for module in SMALL)
    assert len(SNIPPETS) >= 2


def test_make_demo_and_make_test_run_what_they_promise() -> None:
    """Both targets expand to commands that exist; CI runs the second."""
    plans = {
        target: subprocess.run(
            ["make", "--dry-run", "--always-make", target],
            cwd=ROOT, capture_output=True, text=True, check=True,
        ).stdout
        for target in ("demo", "test")
    }  # fmt: skip
    assert 'search "sábana queen"' in plans["demo"]
    assert "index examples/catalog.jsonl" in plans["demo"]
    for step in ("ruff check", "ruff format --check", "mypy", "pytest"):
        assert step in plans["test"]
    assert "make test" in (ROOT / ".ci/run").read_text()
