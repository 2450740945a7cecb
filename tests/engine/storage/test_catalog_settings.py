"""Settings for catalogs: kept by every commit, compaction and backup, and optional."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from engine import IndexDamagedError, SearchEngine, UsageError, verify_index
from engine.storage.backup import back_up
from engine.storage.catalog_settings import CatalogSettings, dump_settings, load_settings
from indexer.compaction import compact
from indexer.index_writer import IndexWriter

# A column of a table may have an empty name.
names = st.text(max_size=8)
some = st.builds(
    CatalogSettings,
    st.none() | names,
    st.lists(names, max_size=3).map(tuple),
    st.none() | st.integers(1, 500),
)


@given(some, some)
def test_what_is_said_later_wins(later: CatalogSettings, earlier: CatalogSettings) -> None:
    assert load_settings(dump_settings(later), "x") == later
    both = later.over(earlier)
    assert both == later.over(both)
    assert earlier.without(later).over(later) == both
    assert not earlier.without(both)
    assert bool(both) == (bool(later) or bool(earlier))


def test_options_are_those_of_the_command_line() -> None:
    settings = CatalogSettings("sku", ("title", "brand name"), 64)
    assert settings.options() == [
        *("--id-field", "sku", "--text-field", "title", "--text-field", "brand name"),
        *("--max-active-dims", "64"),
    ]
    assert CatalogSettings().options() == []


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"id_field":1,"text_fields":[],"max_active_dims":null}',
        b'{"id_field":null,"text_fields":"title","max_active_dims":null}',
        b'{"id_field":null,"text_fields":[1],"max_active_dims":null}',
        b'{"id_field":null,"text_fields":[],"max_active_dims":0}',
        b'{"id_field":null,"text_fields":[],"max_active_dims":true}',
        b'{"id_field":null,"text_fields":null,"max_active_dims":null}',
    ],
)
def test_what_makes_no_sense_is_refused(data: bytes) -> None:
    with pytest.raises(IndexDamagedError, match="settings for catalogs are damaged"):
        load_settings(data, "somewhere")


def kept(path: Path) -> CatalogSettings:
    with SearchEngine.open(path) as engine:
        return engine.info().catalog_settings


def test_an_index_keeps_them(tmp_path: Path) -> None:
    path, settings = tmp_path / "index", CatalogSettings("sku", ("title",), 9)
    with IndexWriter(path, vocabulary_size=4, max_weight=1) as writer:
        writer.add(["a", "b"], csr_matrix(np.ones((2, 4), np.float32)))
    assert kept(path) == CatalogSettings()
    with IndexWriter(path) as writer:
        writer.keep_settings(settings)
        writer.abort()
        writer.keep_settings(CatalogSettings(text_fields=("name",)))
    # The end of the block commits, although no document changed.
    assert kept(path) == CatalogSettings(text_fields=("name",))
    with IndexWriter(path) as writer:
        writer.keep_settings(settings)
        writer.delete(["a"])
    back_up(path, tmp_path / "copy")
    assert compact(path).is_changed
    for place in (path, tmp_path / "copy"):
        assert kept(place) == settings
        assert verify_index(place, deep=True).is_sound


def test_what_could_not_be_read_again_is_not_kept(tmp_path: Path) -> None:
    with IndexWriter(tmp_path / "index", vocabulary_size=4, max_weight=1) as writer:
        with pytest.raises(UsageError, match="max_active_dims is 0"):
            writer.keep_settings(CatalogSettings(max_active_dims=0))
        dims: Any = np.int64(7)
        writer.keep_settings(CatalogSettings("", ("",), dims))
    assert kept(tmp_path / "index") == CatalogSettings("", ("",), 7)
