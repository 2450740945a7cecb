"""The text of single values: what an id is as text, and what a field gives to be searched."""

from __future__ import annotations

from indexer.catalog.record import Refusal
from indexer.catalog.rejects import RejectReason

MAX_ID_BYTES = 65_535
_WHOLE_FLOAT_LIMIT = 2**53


def id_text(value: object) -> str | Refusal:
    """Return the text of an id: strings verbatim, whole numbers in decimal.

    A float that is whole and below 2**53 counts as the whole number, because tables with gaps
    turn numbers into floats.
    """
    match value:
        case str():
            id_ = value
        case bool():
            return Refusal(RejectReason.NON_SCALAR_ID, "is true or false")
        case int():
            id_ = str(value)
        case float() if value.is_integer() and abs(value) < _WHOLE_FLOAT_LIMIT:
            id_ = str(int(value))
        case float():
            return Refusal(RejectReason.NON_SCALAR_ID, "is a fraction")
        case _:
            kind = "a list" if isinstance(value, list) else "an object"
            return Refusal(RejectReason.NON_SCALAR_ID, f"is {kind}")
    if not id_ or id_.isspace():
        return Refusal(RejectReason.EMPTY_ID, "is blank")
    size = len(id_.encode())
    if size > MAX_ID_BYTES:
        return Refusal(RejectReason.ID_TOO_LONG, f"has {size:,} bytes")
    return id_


def field_text(value: object) -> str:
    """Return what a field gives to the text: strings stripped, numbers written out, lists joined.

    Nothing is taken from null, true and false, objects, and lists inside lists.
    """
    if isinstance(value, list):
        parts = (field_text(item) for item in value if not isinstance(item, list))
        return " ".join(part for part in parts if part)
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < _WHOLE_FLOAT_LIMIT:
        return str(int(value))
    return str(value)


def is_prose(value: str) -> bool:
    """Return whether a string says something: it has a letter and is no link."""
    is_link = value.lstrip()[:8].lower().startswith(("http://", "https://", "data:"))
    return not is_link and any(character.isalpha() for character in value)
