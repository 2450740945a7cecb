"""Native code of the kernels, compiled by Numba once and then loaded without it.

Importing Numba and waking its type system takes longer than everything else between the start of
a process and its first answer. So the entry points are compiled once a machine, kept as an object
file, and loaded by LLVM's own loader in a few milliseconds. The file is named after everything
that the code depends on: the kernels' sources, the version of LLVM, the processor.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import tempfile
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from engine.errors import EngineError

Entry = Callable[[int, float], float]
ENTRY_NAMES = ("search", "search_batch", "explain")
_SOURCES = (
    "accumulator.py",
    "anytime.py",
    "block_plan.py",
    "dense_rows.py",
    "entry_points.py",
    "impacts.py",
    "native_code.py",
    "parameters.py",
    "pointers.py",
    "search_kernel.py",
    "selection.py",
    "tile_maximum.py",
    "top_k.py",
    "units.py",
    "../storage/block.py",
)
# Numba's runtime, which its modules refer to on paths that our kernels never take: they neither
# allocate nor raise.
_UNREACHED = (
    "NRT_Allocate",
    "NRT_Free",
    "NRT_MemInfo_alloc",
    "NRT_MemInfo_alloc_aligned",
    "NRT_MemInfo_alloc_dtor_safe",
    "NRT_MemInfo_alloc_safe_aligned",
    "NRT_MemInfo_call_dtor",
    "NRT_MemInfo_new_varsize_dtor",
    "NRT_decref",
    "NRT_incref",
    "numba_do_raise",
    "numba_gil_ensure",
    "numba_gil_release",
    "numba_runtime_build_excinfo_struct",
    "numba_unpickle",
)
_DIGEST_BYTES = 32
_load_lock = threading.Lock()
_linked: list[Any] = []


def entry_point(name: str) -> Entry:
    """Return the native function of an entry point: `(address of parameters, step) -> float`.

    It runs without the interpreter lock. The first call on a machine compiles, which takes some
    seconds.
    """
    with _load_lock:
        return _entry_points()[name]


@cache
def _entry_points() -> dict[str, Entry]:
    path = _cached_file()
    code = _read(path) if path is not None else None
    if code is None:
        code = _compile()
        if path is not None:
            _write(path, code)
    return _link(code)


def _link(code: bytes) -> dict[str, Entry]:
    """Load modules into this process: each its symbol and an object file, see `_compile`."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    abort = ctypes.cast(ctypes.CDLL(None).abort, ctypes.c_void_p).value
    for symbol in _UNREACHED:
        if not llvm.address_of_symbol(symbol):
            llvm.add_symbol(symbol, abort)
    prototype = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_void_p, ctypes.c_double)
    entries: dict[str, Entry] = {}
    size = int.from_bytes(code[:4], "little")
    begin = 4 + size
    for name, symbol, length in json.loads(code[4:begin]):
        loader = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target_machine())
        loader.add_object_file(llvm.ObjectFileRef.from_data(code[begin : begin + length]))
        loader.finalize_object()
        entries[name] = prototype(loader.get_function_address(symbol))
        _linked.append(loader)
        begin += length
    return entries


def _compile() -> bytes:
    """Compile all entry points: a JSON list of names, symbols and sizes, then the object files."""
    from engine.retrieval.entry_points import llvm_of

    directory, objects = [], []
    for name in ENTRY_NAMES:
        symbol, assembly = llvm_of(name)
        module = llvm.parse_assembly(assembly)
        objects.append(_target_machine().emit_object(module))
        directory.append((name, symbol, len(objects[-1])))
    head = json.dumps(directory).encode()
    return len(head).to_bytes(4, "little") + head + b"".join(objects)


def _target_machine() -> Any:
    llvm.initialize_native_target()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=_features(), opt=3, reloc="pic"
    )


def _features() -> str:
    return str(llvm.get_host_cpu_features().flatten())


def _cached_file() -> Path | None:
    """Where the code of this version on this processor is kept, None where nothing can be."""
    here = Path(__file__).parent
    digest = hashlib.sha256()
    try:
        for source in _SOURCES:
            digest.update((here / source).read_bytes())
    except OSError as error:
        raise EngineError(f"{here}: the installation is incomplete: {error.strerror}") from error
    # Each version of llvmlite belongs to one of Numba, whose own is dear to ask for.
    for fact in (llvmlite.__version__, llvm.get_host_cpu_name(), _features()):
        digest.update(fact.encode() + b"\0")
    name = f"kernels-{digest.hexdigest()[:24]}.bin"
    folders = [here / "__pycache__"]
    # A process of an unknown user has no home.
    with contextlib.suppress(RuntimeError):
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folders.append(Path(home) / "sabana-search")
    for folder in folders:
        with contextlib.suppress(OSError):
            if (folder / name).is_file():
                return folder / name
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder / name
    return None


def _read(path: Path) -> bytes | None:
    """The code in a file, None unless it is there whole."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    code = data[_DIGEST_BYTES:]
    return code if hashlib.sha256(code).digest() == data[:_DIGEST_BYTES] else None


def _write(path: Path, code: bytes) -> None:
    # Another process may be doing the same: each writes its own file, and renaming is atomic.
    # A full or read-only disk only means that the next process compiles again.
    with contextlib.suppress(OSError):
        descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(hashlib.sha256(code).digest() + code)
            Path(draft).chmod(0o644)
            Path(draft).replace(path)
        except OSError:
            Path(draft).unlink(missing_ok=True)


def _begin_anew() -> None:
    # A thread that is not in this process may have held it.
    global _load_lock
    _load_lock = threading.Lock()


os.register_at_fork(after_in_child=_begin_anew)
