"""What a parsed document must fulfil so that it can be stored as JSON in UTF-8."""

from __future__ import annotations

import math
from typing import Any

from indexer.catalog.record import Refusal
from indexer.catalog.rejects import RejectReason

MAX_NESTING = 100
"""Deeper documents are refused. Parsers and serialisers recurse, and how deep they can go depends
on the Python version and the call stack; a fixed limit far below gives the same answer anywhere."""


def is_encodable(text: str) -> bool:
    """Return whether `text` has no lone surrogate, so that it can be stored as UTF-8."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def find_defect(document: dict[str, Any]) -> Refusal | None:
    """Return why `document` cannot be stored as JSON in UTF-8, or None when it can.

    Looks at all levels, keys included, for lone surrogates, numbers that are not finite, and
    nesting deeper than `MAX_NESTING`; the detail names the top-level field.
    """
    for name, value in document.items():
        if not is_encodable(name):
            return Refusal(RejectReason.LONE_SURROGATE, f"in the field name {name!r}")
        reason = _defect_of(value)
        if reason is RejectReason.MALFORMED_JSON:
            return Refusal(reason, f"field {name!r} is nested deeper than {MAX_NESTING} levels")
        if reason is not None:
            return Refusal(reason, f"in field {name!r}")
    return None


def _defect_of(value: object) -> RejectReason | None:
    stack: list[tuple[object, int]] = [(value, 2)]
    while stack:
        item, depth = stack.pop()
        if isinstance(item, str):
            if not is_encodable(item):
                return RejectReason.LONE_SURROGATE
        elif isinstance(item, float):
            if not math.isfinite(item):
                return RejectReason.NOT_FINITE_NUMBER
        elif isinstance(item, dict | list):
            if depth > MAX_NESTING:
                return RejectReason.MALFORMED_JSON
            if isinstance(item, dict):
                stack.extend((key, depth + 1) for key in item)
                stack.extend((child, depth + 1) for child in item.values())
            else:
                stack.extend((child, depth + 1) for child in item)
    return None
