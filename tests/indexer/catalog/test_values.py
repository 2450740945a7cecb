from __future__ import annotations

import pytest

from indexer.catalog.record import Refusal
from indexer.catalog.rejects import RejectReason
from indexer.catalog.values import MAX_ID_BYTES, field_text, id_text, is_prose


@pytest.mark.parametrize(
    ("value", "text"),
    [(" A-1 ", " A-1 "), (7, "7"), (-3, "-3"), (12.0, "12"), ("\x00", "\x00"), (0, "0")],
)
def test_ids(value: object, text: str) -> None:
    assert id_text(value) == text


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", RejectReason.EMPTY_ID),
        (" \t\u00a0\n", RejectReason.EMPTY_ID),
        (True, RejectReason.NON_SCALAR_ID),
        (1.5, RejectReason.NON_SCALAR_ID),
        (1e300, RejectReason.NON_SCALAR_ID),
        ([1], RejectReason.NON_SCALAR_ID),
        ({"$oid": "1"}, RejectReason.NON_SCALAR_ID),
        ("ñ" * (MAX_ID_BYTES // 2 + 1), RejectReason.ID_TOO_LONG),
    ],
)
def test_what_is_no_id(value: object, reason: RejectReason) -> None:
    refusal = id_text(value)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is reason


def test_the_longest_id() -> None:
    assert id_text("x" * MAX_ID_BYTES) == "x" * MAX_ID_BYTES


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("  two  words ", "two  words"),
        (90, "90"),
        (90.0, "90"),
        (1.5, "1.5"),
        (None, ""),
        (True, ""),
        ({"a": "b"}, ""),
        (["red ", None, 2, {"a": "b"}, ["x"], " ", "blue"], "red 2 blue"),
    ],
)
def test_text_of_a_field(value: object, text: str) -> None:
    assert field_text(value) == text


def test_prose() -> None:
    assert is_prose("niño 2")
    assert not is_prose("12.90")
    assert not is_prose(" HTTPS://example.com/a.jpg")
