"""Reading catalogs as one stream of records, setting bad ones aside."""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from engine.errors import CatalogError, UsageError
from indexer.catalog.delimited import DelimitedTable
from indexer.catalog.fields import FieldChoice, FieldSelector
from indexer.catalog.formats import CatalogFormat
from indexer.catalog.json_lines import read_json_lines
from indexer.catalog.lines import read_lines
from indexer.catalog.parquet import ParquetTable
from indexer.catalog.record import BadRow, CatalogRecord, Refusal, Row
from indexer.catalog.rejects import Reject, RejectLog
from indexer.catalog.sources import CatalogSource, EmptyCatalogError, OpenCatalog, empty

MAX_RECORD_BYTES = 16 * 2**20


class CatalogReader:
    """Iterates once over the records of one or more catalogs.

    Memory is bounded by one record (Parquet: a batch of rows). A bad record never stops the
    iteration unless `strict`; a file that breaks off (a truncated gzip) does, after the records
    before the damage were yielded.

    Attributes:
        id_field, text_fields: the fields that were asked for, None and empty where they are found
            by their names.
        rejects: the log of bad records; closing it is left to the caller.
        strict: whether the first bad record is raised as an error.
        records_read: records yielded so far.
        bytes_total: size of all files as they lie on disk; None if any of them is a pipe.
    """

    def __init__(
        self,
        paths: Sequence[str | os.PathLike[str]],
        id_field: str | None = None,
        text_fields: Sequence[str] = (),
        strict: bool = False,
        rejects: RejectLog | None = None,
        max_record_bytes: int = MAX_RECORD_BYTES,
        stdin: Path | None = None,
        allow_empty: bool = False,
    ) -> None:
        """Check that every file is there, readable, not empty and of a known format.

        Args:
            paths: files, `-` for standard input; JSON Lines, CSV or TSV, each plain or gzip, or
                Parquet. Content counts, names only help.
            id_field: the field with the id; by default found by its name in each source.
            text_fields: the fields whose text is indexed, joined in this order; by default a
                title and a description, found by their names.
            strict: raise at the first bad record instead of logging it.
            rejects: where bad records go; by default they are only counted.
            max_record_bytes: longer lines are rejected, without being read into memory.
            stdin: a file with what standard input gave, where that must be read twice.
            allow_empty: read a file without any content as a catalog without records.

        Raises:
            InputNotFoundError: a file is missing, or a directory.
            CatalogError: a file is not permitted, empty or unreadable.
            UsageError: no path was given, or standard input twice.
        """
        if not paths:
            raise UsageError("No catalog was given. Name a file, or - for standard input.")
        if [os.fspath(path) for path in paths].count("-") > 1:
            raise UsageError("Standard input (-) was given twice; it can be read only once.")
        if max_record_bytes < 1:
            raise UsageError(f"max_record_bytes is {max_record_bytes}; it must be at least 1.")
        self.id_field = id_field
        self.text_fields = tuple(text_fields)
        self._chosen = (*self.text_fields, *([] if id_field is None else [id_field]))
        self._allow_empty = allow_empty
        self._sources: list[CatalogSource] = []
        for path in paths:
            with self._empty_if_allowed():
                source = CatalogSource.find(path, stdin)
                source.check(self._chosen)
                self._sources.append(source)
        self.strict = strict
        self._max_record_bytes = max_record_bytes
        self.rejects = RejectLog() if rejects is None else rejects
        self.records_read = 0
        sizes = [source.size for source in self._sources if source.size is not None]
        self.bytes_total = sum(sizes) if len(sizes) == len(self._sources) else None
        self._bytes_before = 0
        self._open: OpenCatalog | None = None
        self._table: tuple[ParquetTable, int] | None = None
        self._selectors: list[FieldSelector] = []
        self._started = False

    @property
    def names(self) -> list[str]:
        """The catalogs as they were named, `<stdin>` for standard input."""
        return [source.name for source in self._sources]

    @property
    def bytes_read(self) -> int:
        """Bytes taken from the files so far, as they lie on disk (for Parquet an estimate)."""
        current = 0
        if self._table is not None:
            table, size = self._table
            current = size * table.rows_read // max(table.row_count, 1)
        elif self._open is not None:
            current = self._open.position
        return self._bytes_before + current

    @property
    def fields(self) -> list[FieldChoice]:
        """What is taken from each source that was begun, in their order."""
        return [selector.choice for selector in self._selectors]

    def __iter__(self) -> Iterator[CatalogRecord]:
        """Yield the records of all sources in order.

        Raises:
            CatalogError: a file broke off, has no header or lacks the id column; no record of
                any source has the id or text fields; or, if strict, a record is bad.
            MissingExtraError: a Parquet file is given and pyarrow is not installed.
            UsageError: the reader was iterated before.
        """
        if self._started:
            raise UsageError("This catalog reader was used before. Make another one.")
        self._started = True
        return self._records()

    def _records(self) -> Iterator[CatalogRecord]:
        for source in self._sources:
            selector = FieldSelector(source.name, self.id_field, self.text_fields)
            self._selectors.append(selector)
            with (
                self._empty_if_allowed(),
                source.open(self._chosen) as catalog,
                closing(self._rows(source, catalog, selector)) as rows,
            ):
                self._open = catalog
                yield from self._select(source.name, selector, rows)
                self._open = self._table = None
                self._bytes_before += catalog.position if source.size is None else source.size
        if not self.records_read:
            for selector in self._selectors:
                selector.check_something_found()

    @contextmanager
    def _empty_if_allowed(self) -> Iterator[None]:
        try:
            yield
        except EmptyCatalogError:
            if not self._allow_empty:
                raise

    def _rows(
        self, source: CatalogSource, catalog: OpenCatalog, selector: FieldSelector
    ) -> Generator[Row | BadRow, None, None]:
        if catalog.format is CatalogFormat.PARQUET and source.path and source.size is not None:
            with closing(ParquetTable(source.path, source.name)) as table:
                self._table = (table, source.size)
                selector.read_header(table.columns, table.scalar_columns)
                yield from table.rows()
            return
        lines = read_lines(catalog.stream, source.name, self._max_record_bytes)
        if catalog.format is CatalogFormat.DELIMITED:
            delimited = DelimitedTable(lines, source.name, self._max_record_bytes)
            selector.read_header(delimited.columns, delimited.columns)
            yield from delimited.rows()
        else:
            yield from read_json_lines(lines)

    def _select(
        self, source: str, selector: FieldSelector, rows: Iterable[Row | BadRow]
    ) -> Iterator[CatalogRecord]:
        is_blank = True
        for row in rows:
            is_blank = False
            if isinstance(row, BadRow):
                self._reject(row, source)
                continue
            selected = selector.select(row.document)
            if isinstance(selected, Refusal):
                raw = row.raw
                if raw is None:
                    raw = json.dumps(row.document, ensure_ascii=False).encode()
                self._reject(BadRow(row.line, selected.reason, selected.detail, raw), source)
                continue
            self.records_read += 1
            yield CatalogRecord(*selected, row.document, source, row.line)
        if is_blank:
            raise empty(source)

    def _reject(self, bad: BadRow, source: str) -> None:
        if self.strict:
            raise CatalogError(str(Reject.of(bad.reason, source, bad.line, bad.detail, b"")))
        self.rejects.add(bad.reason, source, bad.line, bad.detail, bad.raw)
