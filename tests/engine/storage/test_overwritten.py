"""Readers that no writer can see: what they read of an overwritten commit is refused."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from engine import EngineError, IndexDamagedError, back_up, stream_backup, verify_index
from engine.storage import environment as environment_module
from engine.storage import verification
from engine.storage.environment import Environment
from engine.storage.page_audit import audit_snapshot
from indexer.catalog import CatalogReader
from indexer.catalog_difference import compare_catalog
from tests.engine.storage.contents import open_store, segment_of

SAYS_WHAT_TO_DO = r"writer has gone on .*lock\.mdb.*run this again"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    with open_store(tmp_path / "index") as store:
        store.commit([segment_of(["a", "b"], documents=[{}, {}])])
    monkeypatch.setattr(os, "access", lambda *_: False)
    return tmp_path / "index"


@pytest.fixture
def overwrite(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let it seem that two commits came since the one that is being read."""

    def overwrite(*_: object) -> None:
        monkeypatch.setattr(Environment, "newest_transaction", lambda _: 3)

    return overwrite


def test_one_commit_does_no_harm(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Environment, "newest_transaction", lambda _: 2)
    assert verify_index(path, deep=True).is_sound
    assert stream_backup(path, io.BytesIO()) > 0


@pytest.mark.parametrize("deep", [False, True])
def test_verification(path: Path, overwrite: Callable[..., None], deep: bool) -> None:
    with pytest.raises(EngineError, match=SAYS_WHAT_TO_DO):
        verify_index(path, deep=deep, progress=overwrite)


def test_an_error_of_what_was_overwritten(
    path: Path, overwrite: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: object) -> None:
        overwrite()
        raise ValueError("garbage")

    monkeypatch.setattr(verification, "read_block", unreadable)
    with pytest.raises(EngineError, match=SAYS_WHAT_TO_DO):
        verify_index(path)


def test_backup(path: Path, overwrite: Callable[..., None], tmp_path: Path) -> None:
    seen: list[int] = []

    def progress(done: int, total: int) -> None:
        seen.append(done)
        overwrite()

    with pytest.raises(EngineError, match=SAYS_WHAT_TO_DO):
        back_up(path, tmp_path / "copy", progress=progress)
    assert not (tmp_path / "copy").exists()
    assert len(seen) == 1


def test_comparison(path: Path, overwrite: Callable[..., None], tmp_path: Path) -> None:
    catalog = tmp_path / "catalog.jsonl"
    catalog.write_text('{"id": "a", "title": "one"}\n', encoding="utf-8")
    assert compare_catalog(CatalogReader([catalog]), path).replaced == 1
    overwrite()
    with pytest.raises(EngineError, match=SAYS_WHAT_TO_DO):
        compare_catalog(CatalogReader([catalog]), path)


def test_overwritten_while_it_is_audited(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is no damage: the next attempt takes the newer commit."""
    newest = Environment.newest_transaction

    def interrupted(*place: object) -> bool:
        monkeypatch.setattr(environment_module, "audit_snapshot", audit_snapshot)
        monkeypatch.setattr(Environment, "newest_transaction", lambda _: 3)
        raise IndexDamagedError("half of a newer page")

    monkeypatch.setattr(environment_module, "audit_snapshot", interrupted)
    opened = Environment.attach(path)
    opened.begin_read().abort()
    monkeypatch.setattr(Environment, "newest_transaction", newest)
    monkeypatch.setattr(environment_module, "audit_snapshot", interrupted)
    opened.has_reader_table = True
    with pytest.raises(IndexDamagedError, match="half"):
        opened.begin_read()
    opened.detach()
