from __future__ import annotations

import gzip
import io
import os
import sys
import threading
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.errors import CatalogError
from indexer.catalog import CatalogReader

if TYPE_CHECKING:
    from .conftest import ReadCatalog

JSON = b"".join(b'{"id": %d, "title": "product %d"}\n' % (n, n) for n in range(2000))
CSV = b"id,title\n1,uno\n2,dos\n"


class FakeStdin:
    """Standard input with the given bytes, in a pipe that gives three at a time."""

    def __init__(self, content: bytes) -> None:
        self.buffer = self
        self._content = io.BytesIO(content)

    def read1(self, size: int, /) -> bytes:
        return self._content.read(min(size, 3))


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl", "a"])
def test_gzip_is_known_by_its_content(name: str, read_catalog: ReadCatalog) -> None:
    members = gzip.compress(JSON[:5000]) + gzip.compress(JSON[5000:])
    records, reader = read_catalog(members, name)
    assert len(records) == 2000
    assert reader.bytes_read == reader.bytes_total == len(members)


def test_plain_content_under_a_gzip_name(read_catalog: ReadCatalog) -> None:
    records, _ = read_catalog(CSV, "a.csv.gz")
    assert [record.id for record in records] == ["1", "2"]
    records, _ = read_catalog(gzip.compress(CSV), "b.csv.gz")
    assert [record.id for record in records] == ["1", "2"]


@pytest.mark.parametrize(
    "content", [JSON[:500], gzip.compress(JSON[:500]), CSV, gzip.compress(CSV)]
)
def test_standard_input(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", FakeStdin(content))
    reader = CatalogReader(["-"])
    records = list(reader)
    assert records
    assert {record.source for record in records} == {"<stdin>"}
    assert reader.bytes_total is None
    assert reader.bytes_read == len(content)


def test_unusable_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", FakeStdin(b""))
    with pytest.raises(CatalogError, match=r"^<stdin>: the file is empty"):
        list(CatalogReader(["-"]))
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(CatalogError, match="standard input is closed"):
        list(CatalogReader(["-"]))
    monkeypatch.setattr(sys, "stdin", FakeStdin(b"PAR1xxxx"))
    with pytest.raises(CatalogError, match="plain file only"):
        list(CatalogReader(["-"]))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_is_opened_only_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(JSON,))
    reader = CatalogReader([pipe])
    writer.start()
    assert len(list(reader)) == 2000
    writer.join()
    assert reader.bytes_total is None


def test_missing_directory_empty(tmp_path: Path) -> None:
    good = tmp_path / "good.jsonl"
    good.write_bytes(JSON)
    blank = tmp_path / "blank.jsonl"
    blank.write_bytes(b"")
    packed = tmp_path / "packed.jsonl.gz"
    packed.write_bytes(gzip.compress(b""))
    cases: list[tuple[str | Path, str]] = [
        (tmp_path / "absent.jsonl", "no such file"),
        (good / "beneath.jsonl", "no such file"),
        (tmp_path, "is a directory"),
        (blank, "is empty"),
        (packed, "is empty"),
        (tmp_path / ("x" * 300), "cannot be opened"),
        ("null\0byte", "cannot be opened"),
    ]
    for bad, message in cases:
        # The last file's fault shows before the first file is read.
        with pytest.raises(CatalogError, match=message) as raised:
            CatalogReader([good, bad])
        assert str(raised.value).startswith(f"{bad}: ")
        assert "\n" not in str(raised.value)


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.jsonl"
    path.write_bytes(JSON)

    def forbid(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", forbid)
    with pytest.raises(CatalogError, match="no permission to read it"):
        CatalogReader([path])


def test_only_blank_lines(read_catalog: ReadCatalog) -> None:
    with pytest.raises(CatalogError, match="is empty"):
        read_catalog(b"\n  \r\n")


@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_truncated_gzip_gives_what_it_has(kept: float, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    packed = gzip.compress(JSON)
    path.write_bytes(packed[: int(len(packed) * kept)])
    records = []
    with pytest.raises(CatalogError, match="cut off") as raised:
        for record in CatalogReader([path]):
            records.append(record)
    assert len(records) > 2000 * kept / 2
    assert [record.line for record in records] == list(range(1, len(records) + 1))
    assert str(raised.value).startswith(f"{path}:{len(records) + 1}: ")


def test_damaged_gzip(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    packed = gzip.compress(JSON)
    flipped = bytearray(packed)
    flipped[-6] ^= 0xFF
    raw_block = zlib.compress(JSON)[2:]
    for damaged in (
        bytes(flipped),
        packed + b"garbage",
        packed[:2000] + b"\xff" * 500 + packed[2500:],
        b"\x1f\x8b",
        b"\x1f\x8b\x07" + raw_block,
        packed[:10] + b"\xff" * 100,
    ):
        path.write_bytes(damaged)
        with pytest.raises(CatalogError, match=r"gzip file (is damaged|ends too early)"):
            list(CatalogReader([path]))
