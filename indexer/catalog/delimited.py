"""Delimited text (CSV, TSV): a header, then one row a record, every value a string."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence

from engine.errors import CatalogError
from indexer.catalog.formats import DELIMITERS, suffix_of
from indexer.catalog.lines import Line
from indexer.catalog.record import BadRow, Row
from indexer.catalog.rejects import RejectReason
from indexer.catalog.row_lines import RowLines, RowTooLongError
from indexer.catalog.validity import is_encodable

_SEPARATOR_LINE = re.compile(r'"?sep=([!-/:-@\[-`{-~\t])"?\s*', re.IGNORECASE)


class DelimitedTable:
    """A table in delimited text: `columns` from its header, then rows.

    The delimiter is a tab in `.tsv` and `.tab` files, else the one of comma, semicolon, tab and
    bar that the header has most of; a first line such as `sep=;` names it. Column names are
    stripped; an empty one becomes `column_N`, a repeated one `name_2`.
    """

    def __init__(self, lines: Iterator[Line], source: str, max_row_bytes: int) -> None:
        """Read the header.

        Raises:
            CatalogError: there is no header, or it is not UTF-8 or badly quoted.
        """
        # The limit is one setting for the whole process: only ever raise it.
        csv.field_size_limit(max(csv.field_size_limit(), max_row_bytes))
        self._lines = RowLines(lines, max_row_bytes)
        try:
            delimiter = self._find_delimiter(source)
            self._parser = csv.reader(self._lines, delimiter=delimiter, strict=True)
            names = next(self._parser)
        except StopIteration:
            raise CatalogError(
                f"{source}: there is no header. Begin with a line of column names."
            ) from None
        except (csv.Error, RowTooLongError) as error:
            raise CatalogError(
                f"{source}: the header cannot be read. Begin with a line of column names; "
                "close its quotes."
            ) from error
        if not all(map(is_encodable, names)):
            raise CatalogError(
                f"{source}: the header is not UTF-8. {RejectReason.INVALID_UTF8.advice}"
            )
        self.columns = unique_names(names)

    def _find_delimiter(self, source: str) -> str:
        first = next(self._lines)
        while not first.strip():
            self._lines.begin_row()
            first = next(self._lines)
        if named := _SEPARATOR_LINE.fullmatch(first):
            self._lines.begin_row()
            return named[1]
        self._lines.put_back()
        return "\t" if suffix_of(source) in (".tsv", ".tab") else sniff_delimiter(first)

    def rows(self) -> Iterator[Row | BadRow]:
        """Yield a row for each record, a bad row for each that is broken; skip blank rows.

        A row whose quotes are wrong is given up at its first line and reading goes on with the
        next line, so that a quote left open costs one row and not the rest of the file.
        """
        while True:
            self._lines.begin_row()
            try:
                cells = next(self._parser)
            except StopIteration:
                return
            except (csv.Error, RowTooLongError) as error:
                yield self._broken_row(error)
                continue
            if not any(cell.strip() for cell in cells):
                continue
            first = self._lines.taken[0]
            if len(cells) != len(self.columns):
                detail = f"{len(cells)} cells for {len(self.columns)} columns"
                yield BadRow(first.number, RejectReason.MALFORMED_ROW, detail, self._lines.raw)
            elif not all(map(is_encodable, cells)):
                yield BadRow(
                    first.number,
                    RejectReason.INVALID_UTF8,
                    self._wrong_byte(cells),
                    self._lines.raw,
                )
            else:
                document = dict(zip(self.columns, cells, strict=True))
                yield Row(first.number, document, self._lines.raw)

    def _broken_row(self, error: Exception) -> BadRow:
        first = self._lines.taken[0]
        if first.too_long:
            detail = f"the line has {first.length:,} bytes"
            return BadRow(first.number, RejectReason.LINE_TOO_LONG, detail, first.content)
        several_lines = len(self._lines.taken) > 1
        self._lines.put_back_all_but_first()
        if several_lines or isinstance(error, RowTooLongError) or "unexpected end" in str(error):
            detail = "a quote opened on this line is not closed properly"
        elif "new-line" in str(error):
            detail = "a carriage return stands inside a cell without quotes"
        else:
            detail = "a quote stands in the middle of a quoted cell without being doubled"
        return BadRow(first.number, RejectReason.MALFORMED_ROW, detail, self._lines.raw)

    def _wrong_byte(self, cells: Sequence[str]) -> str:
        for name, cell in zip(self.columns, cells, strict=True):
            for character in cell:
                if "\udc80" <= character <= "\udcff":
                    return f"byte 0x{ord(character) - 0xDC00:02x} in column {name!r}"
        raise AssertionError("no cell has a byte that is not UTF-8")


def sniff_delimiter(header: str) -> str:
    """Return the separator that `header` has most of outside quotes; a comma if it has none."""
    bare = "".join(header.split('"')[::2])
    return max(DELIMITERS, key=bare.count)


def unique_names(names: Sequence[str]) -> list[str]:
    """Return the column names stripped, empty ones numbered, repeated ones told apart."""
    unique: dict[str, None] = {}
    for position, given in enumerate(names, start=1):
        name = base = given.strip() or f"column_{position}"
        copies = 1
        while name in unique:
            copies += 1
            name = f"{base}_{copies}"
        unique[name] = None
    return list(unique)
