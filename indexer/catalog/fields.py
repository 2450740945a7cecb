"""Which fields of a record are its id and its text: as told, or by their names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import CatalogError
from indexer.catalog.aliases import ID_PREFERENCE, TEXT_ALIASES, TEXT_ROLES, normalise
from indexer.catalog.record import Refusal
from indexer.catalog.rejects import RejectReason, printable
from indexer.catalog.values import field_text, id_text, is_prose

_NAMES_KEPT = 40
_NAME_BYTES_SHOWN = 60


@dataclass(frozen=True, slots=True)
class FieldChoice:
    """What was taken from one source, for the summary.

    Attributes:
        source: name of the source.
        id_field: the field with the id; None while no record had one.
        text_fields: the fields that text was taken from, in the order they are joined (with
            every_string_field in the order they were met, the first 40).
        detected: whether any of this was found by name rather than told.
        every_string_field: no title or description was found by name, so all strings were taken.
        unseen_text_fields: text fields that were asked for and that no record has.
    """

    source: str
    id_field: str | None
    text_fields: tuple[str, ...]
    detected: bool
    every_string_field: bool = False
    unseen_text_fields: tuple[str, ...] = ()


class FieldSelector:
    """Takes id and text out of the records of one source.

    Without `id_field` the id is the likeliest name of `aliases.ID_PREFERENCE` in the first record
    that has one with a usable value (in a table: in the header), and stays the same for the
    whole source. Without `text_fields` the text is a title and a description; the names are
    looked up in each record anew, as a record may lack one that others have. Where no record
    so far had either, all strings are taken that have a letter and are no links.
    """

    def __init__(self, source: str, id_field: str | None, text_fields: Sequence[str]) -> None:
        self._source = source
        self._asked_id = id_field
        self._asked_text = tuple(dict.fromkeys(text_fields))
        self._id_field = id_field
        self._has_roles = False
        self._used: dict[tuple[int, str], None] = {}
        self._names: dict[str, None] = {}
        self._any_record = False
        self._any_id = False
        self._any_text_sought = False

    def read_header(self, columns: Sequence[str], id_columns: Sequence[str]) -> None:
        """Choose from the columns of a table, of which `id_columns` can be ids.

        Raises:
            CatalogError: the id column, or all the text columns asked for, are not there.
        """
        self._note(columns)
        if self._asked_id is None:
            self._id_field = _likeliest_id(id_columns)
        if self._id_field is None or self._id_field not in columns:
            raise self._no_id("Put the column names on the first line, or name")
        if self._asked_text and not set(self._asked_text) & set(columns):
            raise self._no_text()
        self._has_roles = any(normalise(name) in TEXT_ALIASES for name in columns)

    def select(self, document: dict[str, Any]) -> tuple[str, str] | Refusal:
        """Return id and text of a record, or why it has none."""
        self._note(document)
        self._any_record = True
        id_ = self._id(document)
        if isinstance(id_, Refusal):
            return id_
        self._any_text_sought = True
        text = " ".join(self._texts(document))
        if not text:
            return Refusal(RejectReason.NO_TEXT, self._without_text(document))
        return id_, text

    @property
    def choice(self) -> FieldChoice:
        """What has been taken so far."""
        asked = self._asked_text
        return FieldChoice(
            source=self._source,
            id_field=self._id_field,
            text_fields=asked or tuple(dict.fromkeys(name for _, name in sorted(self._used))),
            detected=self._asked_id is None or not asked,
            every_string_field=bool(self._used) and not asked and not self._has_roles,
            unseen_text_fields=tuple(name for name in asked if name not in self._names),
        )

    def check_something_found(self) -> None:
        """Explain why no record at all could be taken, if the choice of fields is why.

        Raises:
            CatalogError: no record has the id field, or none has any of the text fields.
        """
        if self._any_record and not self._any_id:
            raise self._no_id()
        if self._any_text_sought and not self._used:
            raise self._no_text()

    def _note(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self._names and (
                len(self._names) < _NAMES_KEPT or name in self._asked_text
            ):
                self._names[name] = None

    def _id(self, document: dict[str, Any]) -> str | Refusal:
        if self._id_field is None:
            self._id_field = _likeliest_id(
                name for name, value in document.items() if isinstance(id_text(value), str)
            )
        field = _likeliest_id(document) if self._id_field is None else self._id_field
        self._any_id |= field in document
        if field is None or document.get(field) is None:
            return Refusal(RejectReason.MISSING_ID, self._without_id(field, document))
        id_ = id_text(document[field])
        if isinstance(id_, Refusal):
            return Refusal(id_.reason, f"field {field!r} {id_.detail}")
        return id_

    def _without_id(self, field: str | None, document: dict[str, Any]) -> str:
        if field is None:
            return f"no field looks like an id among {_listed(document)}"
        if field in document:
            return f"field {field!r} is null"
        return f"no field {field!r} among {_listed(document)}"

    def _without_text(self, document: dict[str, Any]) -> str:
        if self._asked_text:
            return f"nothing in {_listed(self._asked_text)}"
        return f"no title or description among {_listed(document)}"

    def _texts(self, document: dict[str, Any]) -> Iterator[str]:
        if self._asked_text:
            candidates = [(order, name) for order, name in enumerate(self._asked_text)]
        else:
            candidates = self._detected(document)
        for order, name in candidates:
            if name in document and (text := field_text(document[name])):
                if len(self._used) < _NAMES_KEPT:
                    self._used[order, name] = None
                yield text

    def _detected(self, document: dict[str, Any]) -> list[tuple[int, str]]:
        by_alias: dict[str, str] = {}
        for name in document:
            if name != self._id_field:
                by_alias.setdefault(normalise(name), name)
        found = []
        for order, aliases in enumerate(TEXT_ROLES):
            names = (by_alias[alias] for alias in aliases if alias in by_alias)
            filled = next((name for name in names if field_text(document[name])), None)
            if filled is not None:
                found.append((order, filled))
        if found and not self._has_roles:
            self._has_roles = True
            self._used.clear()
        if found or self._has_roles:
            return found
        return [
            (order, name)
            for order, (name, value) in enumerate(document.items())
            if name != self._id_field and isinstance(value, str) and is_prose(value)
        ]

    def _no_id(self, remedy: str = "Name") -> CatalogError:
        if self._id_field is None:
            what = f"no field looks like an id among {_listed(self._names)}"
        else:
            what = f"no record has a field {self._id_field!r}, but {_listed(self._names)}"
        return CatalogError(f"{self._source}: {what}. {remedy} the id with --id-field.")

    def _no_text(self) -> CatalogError:
        if self._asked_text:
            what = f"no record has text in {_listed(self._asked_text)}, fields are"
        else:
            what = "no record has a title, a description or other text among"
        return CatalogError(
            f"{self._source}: {what} {_listed(self._names)}. Name one with --text-field."
        )


def _likeliest_id(names: Iterable[str]) -> str | None:
    by_alias: dict[str, str] = {}
    for name in names:
        by_alias.setdefault(normalise(name), name)
    return next((by_alias[alias] for alias in ID_PREFERENCE if alias in by_alias), None)


def _listed(names: Iterable[str], most: int = 12) -> str:
    shown = list(names)
    text = ", ".join(printable(repr(name)[1:-1], _NAME_BYTES_SHOWN) for name in shown[:most])
    return (text or "no fields") + (" and others" if len(shown) > most else "")
