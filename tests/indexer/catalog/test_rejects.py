from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import CatalogError
from indexer.catalog import RejectLog, RejectReason
from indexer.catalog.rejects import RECORD_BYTES_KEPT, printable


def test_every_reason_says_what_to_do() -> None:
    for reason in RejectReason:
        assert reason.value == reason.value.lower()
        assert reason.advice.endswith(".")
        assert "\n" not in reason.advice


def test_log_counts_keeps_the_first_and_writes_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "rejects.jsonl"
    with RejectLog(path) as log:
        assert not path.exists()
        log.add(RejectReason.NO_TEXT, "a.jsonl", 3, "nothing in title", '{"id": "niño"}')
        log.add(RejectReason.NO_TEXT, "a.jsonl", 5, "nothing in title", b'{"id": "\xe1"}\r\n')
        log.add(RejectReason.DUPLICATE_ID, "b.jsonl", 1, "id '7'", "{}")
    assert log.counts == {RejectReason.NO_TEXT: 2, RejectReason.DUPLICATE_ID: 1}
    assert log.total == 3
    assert log.first[RejectReason.NO_TEXT].line == 3
    assert str(log.first[RejectReason.DUPLICATE_ID]) == (
        "b.jsonl:1: duplicate-id: id '7'. Keep one record per id; the last one was taken."
    )
    entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert entries[0] == {
        "source": "a.jsonl",
        "line": 3,
        "reason": "no-text",
        "detail": "nothing in title",
        "record": '{"id": "niño"}',
    }
    assert entries[1]["record"] == '{"id": "\\xe1"}'
    assert len(entries) == 3


def test_log_without_rejects_leaves_no_file(tmp_path: Path) -> None:
    with RejectLog(tmp_path / "rejects.jsonl"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_log_replaces_an_old_file_but_not_its_own(tmp_path: Path) -> None:
    path = tmp_path / "rejects.jsonl"
    path.write_text("old\n")
    log = RejectLog(path)
    log.add(RejectReason.NO_TEXT, "a", 1, "x", "one")
    log.close()
    log.add(RejectReason.NO_TEXT, "a", 2, "x", "two")
    log.close()
    assert [json.loads(line)["record"] for line in path.read_text().splitlines()] == ["one", "two"]


def test_log_without_a_path_only_counts() -> None:
    log = RejectLog()
    log.add(RejectReason.EMPTY_ID, "a", 1, "x", b"")
    log.close()
    assert log.total == 1


def test_unwritable_log_is_one_clear_line(tmp_path: Path) -> None:
    log = RejectLog(tmp_path)
    with pytest.raises(CatalogError, match="rejects file cannot be written"):
        log.add(RejectReason.EMPTY_ID, "a", 1, "x", b"")


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text(st.characters(), max_size=100))
def test_printable_is_always_valid_and_short(raw: bytes | str) -> None:
    shown = printable(raw, limit=20)
    assert len(shown.encode("utf-8")) <= 20 * 6 + 3


def test_long_records_are_cut_between_characters() -> None:
    shown = printable("ñ".encode() * RECORD_BYTES_KEPT)
    assert shown == "ñ" * (RECORD_BYTES_KEPT // 2) + "…"
    assert printable("x" + "ñ" * RECORD_BYTES_KEPT)[-2:] == "ñ…"
    assert printable("x" * 50, limit=50) == "x" * 50
