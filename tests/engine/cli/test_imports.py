"""What commands load: no torch for a search, no Numba for help."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.cli.commands import engine, environment
from tests.engine.cli.conftest import PRODUCTS, write_catalog

HEAVY = {"torch", "transformers", "scipy", "pyarrow", "huggingface_hub", "sentence_transformers"}
PROGRAM = """
import sys
from engine.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def loaded(folder: Path, *arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["index", "--help"], ["evaluate", "--help"], []]
)
def test_help_is_light(tmp_path: Path, arguments: list[str]) -> None:
    names = loaded(tmp_path, *arguments)
    assert not names & (HEAVY | {"numba", "numpy", "lmdb", "rich", "indexer"})


@pytest.mark.parametrize(
    "arguments",
    [
        ["search", "sábana queen"],
        ["search", "sábana queen", "--json", "--explain"],
        ["explain", "queen", "S1"],
        ["encode", "queen"],
        ["info"],
        ["get", "S1"],
        ["bench", "--rounds", "1"],
        ["verify", "--deep"],
    ],
)
def test_query_time_needs_no_model(shop: Path, arguments: list[str]) -> None:
    assert not loaded(shop, *arguments) & (HEAVY | {"indexer", "matplotlib"})


def test_json_needs_nothing_to_draw_with(shop: Path) -> None:
    for arguments in (["search", "queen", "--explain"], ["get", "S1"]):
        assert "rich" not in loaded(shop, *arguments, "--json")


@pytest.mark.parametrize(
    "arguments",
    [
        ["index", "catalog.jsonl"],
        ["index", "catalog.jsonl", "--model", "default"],
        ["sync", "catalog.jsonl"],
        ["sync", "catalog.jsonl", "--dry-run"],
        ["delete", "nobody"],
        ["verify"],
    ],
)
def test_what_encodes_nothing_loads_no_model(shop: Path, arguments: list[str]) -> None:
    names = loaded(shop, *arguments)
    assert not names & {"torch", "transformers", "numba"}


def test_compacting_loads_no_model(shop: Path) -> None:
    assert not loaded(shop, "compact") & {"torch", "transformers"}


def test_new_fields_load_no_model(shop: Path, tmp_path: Path) -> None:
    shutil.copytree(shop / "engine.index", tmp_path / "engine.index")
    write_catalog(tmp_path / "catalog.jsonl", [{**product, "price": 1} for product in PRODUCTS])
    assert not loaded(tmp_path, "index", "catalog.jsonl") & {"torch", "transformers"}
    assert engine("get", "S1", cwd=tmp_path).json["price"] == 1


def test_importing_the_package_is_light() -> None:
    program = "import sys, engine; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert not set(done.stdout.split()) & (HEAVY | {"numba"})


def test_importing_the_companion_is_light() -> None:
    program = "import sys, training; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert not set(done.stdout.split()) & (HEAVY | {"numba", "ir_measures", "indexer"})


def test_lazy_names_are_what_they_say() -> None:
    import engine
    from engine.search_engine import SearchEngine
    from engine.storage.verification import verify_index

    assert engine.SearchEngine is SearchEngine
    assert engine.verify_index is verify_index
    assert set(engine.__all__) <= set(dir(engine))
    with pytest.raises(AttributeError, match="Nonsense"):
        engine.__getattr__("Nonsense")
