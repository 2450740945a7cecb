"""Native kernels: kept between processes, compiled again when what is kept is of no use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine.retrieval import native_code

ROOT = Path(__file__).parents[3]


def test_code_that_was_written_is_read_back(tmp_path: Path) -> None:
    file = tmp_path / "kernels.bin"
    native_code._write(file, b"machine code")
    assert native_code._read(file) == b"machine code"
    assert [path.name for path in tmp_path.iterdir()] == ["kernels.bin"]


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "missing"])
def test_damaged_code_is_never_run(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "kernels.bin"
    native_code._write(file, b"machine code")
    data = bytearray(file.read_bytes())
    if damage == "flip":
        data[40] ^= 1
    elif damage == "truncate":
        data = data[:-1]
    elif damage == "empty":
        data = bytearray()
    file.write_bytes(data)
    if damage == "missing":
        file.unlink()
    assert native_code._read(file) is None


def test_unwritable_folders_only_cost_time(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    native_code._write(blocked / "kernels.bin", b"code")
    assert blocked.read_text() == ""


def test_the_name_follows_the_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code of other sources, or of another processor, is never taken for ours."""
    native_code.entry_point("search")
    before = native_code._cached_file()
    monkeypatch.setattr(native_code, "_features", lambda: "+another")
    assert native_code._cached_file() != before
    assert before is not None
    assert before.is_file()


def test_entry_points_neither_allocate_nor_raise() -> None:
    """What Numba's runtime would do is bound to abort(); our functions must not refer to it."""
    from engine.retrieval.entry_points import llvm_of

    for name in native_code.ENTRY_NAMES:
        _, module = llvm_of(name)
        functions = module.split("\ndefine ")[1:]
        own = [body for body in functions if "_ZN6engine9retrieval" in body.split("\n", 1)[0]]
        assert own
        for body in own:
            if "cfunc." in body.split("\n", 1)[0]:
                continue  # Numba's wrapper, which reports errors that our function never returns
            called = body[: body.index("\n}")]
            for runtime in ("NRT_Allocate", "NRT_MemInfo_alloc", "numba_do_raise", "picklebuf"):
                assert runtime not in called, (name, runtime)


def test_a_searching_process_imports_no_numba(tmp_path: Path) -> None:
    script = f"""
import sys
from scipy.sparse import csr_matrix
from indexer.vector_index import write_index
write_index({str(tmp_path / "index")!r}, csr_matrix([[1.0, 0.5]]), ["a"])
"""
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
    script = f"""
import sys
from engine import SearchEngine
with SearchEngine.open({str(tmp_path / "index")!r}) as engine:
    assert [hit.id for hit in engine.search_vector([0], [1.0])] == ["a"]
for name in ("numba", "torch", "transformers", "scipy", "scipy.sparse", "indexer"):
    assert name not in sys.modules, name
"""
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
