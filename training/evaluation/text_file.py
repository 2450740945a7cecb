"""Lines of a text file, plain or gzip, and the errors that say where in it something is wrong."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import CatalogError
from engine.named_files import reading_error
from engine.query_input import MAX_QUERY_CHARACTERS
from indexer.catalog.json_lines import parse_object
from indexer.catalog.lines import read_lines
from indexer.catalog.record import Refusal
from indexer.catalog.values import id_text

_GZIP_MAGIC = b"\x1f\x8b"
_MAX_LINE_BYTES = 64 << 20


class TextLine(NamedTuple):
    """A line that is not blank, where it is, and its content without the line end."""

    where: str
    text: str

    def error(self, problem: str) -> CatalogError:
        """Return the error for what is wrong with this line."""
        return CatalogError(f"{self.where}: {problem}")

    def json_object(self) -> dict[str, Any]:
        """Parse the line as a JSON object; raises `CatalogError` where it is none."""
        parsed = parse_object(self.text.encode())
        if isinstance(parsed, Refusal):
            raise self.error(f"{parsed.reason.value}: {parsed.detail}")
        return parsed

    def identifier(self, record: dict[str, Any], names: tuple[str, ...]) -> str:
        """Return the id that is in the first of `names` that the record has."""
        name = next((name for name in names if record.get(name) is not None), None)
        if name is None:
            raise self.error(f"the record has no id in a field {' or '.join(names)}")
        value = id_text(record[name])
        if isinstance(value, Refusal):
            raise self.error(f"the id in field {name!r} {value.detail}")
        return value

    def string(self, record: dict[str, Any], names: tuple[str, ...]) -> str | None:
        """Return the text in the first of `names` that the record has; None where it has none."""
        for name in names:
            value = record.get(name)
            if value is None:
                continue
            if not isinstance(value, str):
                raise self.error(f"field {name!r} is not text but {value!r}")
            return value
        return None

    def query_text(self, record: dict[str, Any], id: str) -> str:
        """Return the field `text` of a query, checked to be one that the engine answers."""
        text = self.string(record, ("text",))
        if text is None or not text.strip():
            raise self.error(f"query {id!r} has no text")
        if len(text) > MAX_QUERY_CHARACTERS:
            raise self.error(
                f"query {id!r} has {len(text):,} characters; the longest allowed has "
                f"{MAX_QUERY_CHARACTERS:,}"
            )
        return text

    def groups(self, record: dict[str, Any]) -> tuple[str, ...]:
        """Return the groups of a query: its language and its kind, as far as they are given."""
        values = (self.string(record, (field,)) for field in ("lang", "kind"))
        return tuple(value for value in values if value)


def find_file(folder: Path, names: tuple[str, ...]) -> Path:
    """Return the first of `names` that is in a folder, plain or with `.gz`.

    Raises:
        CatalogError: there is none.
    """
    for name in names:
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
    listed = " or ".join(names)
    raise CatalogError(f"{folder} has no {listed} (plain or .gz): it is no collection in BEIR form")


def read_text_lines(path: Path) -> Iterator[TextLine]:
    """Yield the lines of a file that are not blank; gzip is known by its content.

    Raises:
        InputNotFoundError: there is no such file, or it is a folder.
        CatalogError: the file cannot be read, breaks off, or is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
            file.seek(0)
            stream = gzip.GzipFile(fileobj=file) if packed else file
            for line in read_lines(stream, str(path), _MAX_LINE_BYTES):
                where = f"{path}:{line.number}"
                if line.too_long:
                    raise CatalogError(f"{where}: the line has {line.length:,} bytes")
                try:
                    text = line.content.decode().rstrip("\r\n")
                except UnicodeDecodeError as error:
                    raise CatalogError(
                        f"{where}: not UTF-8: byte 0x{line.content[error.start]:02x} at position "
                        f"{error.start}"
                    ) from None
                if text.strip():
                    yield TextLine(where, text)
    except OSError as error:
        kind = reading_error(error, CatalogError)
        raise kind(f"{path} cannot be read: {error.strerror or error}") from error
