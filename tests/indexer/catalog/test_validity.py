from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.catalog.rejects import RejectReason
from indexer.catalog.validity import MAX_NESTING, find_defect, is_encodable

_ANY_TEXT = st.text(st.characters(), max_size=5)
_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_ANY_TEXT, inner, max_size=4),
)


def nested(levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


@settings(deadline=None)
@given(st.dictionaries(_ANY_TEXT, _JSON, max_size=4))
def test_agrees_with_the_json_writer(document: dict[str, Any]) -> None:
    try:
        json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except ValueError:
        assert find_defect(document) is not None
    else:
        assert find_defect(document) is None


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"a": "\ud800"}, RejectReason.LONE_SURROGATE),
        ({"\udfff": 1}, RejectReason.LONE_SURROGATE),
        ({"a": [{"b\ud800": 1}]}, RejectReason.LONE_SURROGATE),
        ({"a": {"b": [float("nan")]}}, RejectReason.NOT_FINITE_NUMBER),
        ({"a": float("-inf")}, RejectReason.NOT_FINITE_NUMBER),
        ({"a": nested(MAX_NESTING)}, RejectReason.MALFORMED_JSON),
    ],
)
def test_names_the_defect(document: dict[str, Any], reason: RejectReason) -> None:
    refusal = find_defect(document)
    assert refusal is not None
    assert refusal.reason is reason
    assert is_encodable(refusal.detail)


def test_deep_enough_is_fine() -> None:
    assert find_defect({"a": nested(MAX_NESTING - 1)}) is None
