"""Parquet tables, read in batches; pyarrow is needed only here, and only when one is read."""

from __future__ import annotations

import base64
import datetime
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

from engine.errors import CatalogError, MissingExtraError
from indexer.catalog.delimited import unique_names
from indexer.catalog.record import BadRow, Row
from indexer.catalog.rejects import RejectReason
from indexer.catalog.validity import find_defect

BATCH_ROWS = 1024


class ParquetTable:
    """A Parquet file: `columns` from its schema, then rows, whose numbers count from 1.

    Values become what JSON has: dates, times and timestamps ISO 8601 text (to the microsecond,
    in UTC where they have a time zone), durations seconds, decimals numbers (text where a
    float would lose digits), bytes text if they are UTF-8 and base64 otherwise.
    """

    def __init__(self, path: Path, source: str) -> None:
        """Open the file and read its schema.

        Raises:
            MissingExtraError: pyarrow is not installed.
            CatalogError: the file is damaged.
        """
        self._arrow = _import_arrow()
        self._source = source
        try:
            # Buffering ahead would hold whole row groups in memory.
            self._file = self._arrow.parquet.ParquetFile(path, pre_buffer=False)
            self.row_count: int = self._file.metadata.num_rows
            schema = self._file.schema_arrow
        except (self._arrow.ArrowException, OSError) as error:
            raise self._damaged(1, error) from error
        self.columns = unique_names(schema.names)
        self.scalar_columns = [
            name
            for name, field in zip(self.columns, schema, strict=True)
            if not self._arrow.types.is_nested(field.type)
        ]
        self.rows_read = 0

    def rows(self) -> Iterator[Row | BadRow]:
        """Yield a row for each record, a bad row for each with a value that cannot be stored.

        Raises:
            CatalogError: a part of the file is damaged; rows before it were yielded.
        """
        batches = self._file.iter_batches(batch_size=BATCH_ROWS)
        while True:
            try:
                batch = next(batches, None)
            except (self._arrow.ArrowException, OSError) as error:
                raise self._damaged(self.rows_read + 1, error) from error
            if batch is None:
                return
            values = [self._column(column) for column in batch.columns]
            for cells in zip(*values, strict=True) if values else ():
                self.rows_read += 1
                yield self._row(cells)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _row(self, cells: tuple[Any, ...]) -> Row | BadRow:
        document = dict(zip(self.columns, cells, strict=True))
        for name, value in document.items():
            if isinstance(value, _UnreadableError):
                detail = f"column {name!r} has a value that cannot be converted"
                return BadRow(self.rows_read, value.reason, detail, b"")
        if defect := find_defect(document):
            return BadRow(self.rows_read, defect.reason, defect.detail, repr(document).encode())
        return Row(self.rows_read, document, None)

    def _column(self, column: Any) -> list[Any]:
        arrow = self._arrow
        if arrow.types.is_timestamp(column.type):
            # Python has no nanoseconds, and may not know the time zone's name.
            zone = "" if column.type.tz is None else "+00:00"
            ticks = column.cast(arrow.timestamp("us", column.type.tz), safe=False)
            return [_iso_timestamp(tick, zone) for tick in ticks.cast(arrow.int64()).to_pylist()]
        try:
            return [to_json(value) for value in column.to_pylist()]
        except (ValueError, TypeError, OverflowError, KeyError, ImportError):
            return [_convert_scalar(scalar) for scalar in column]

    def _damaged(self, row: int, error: Exception) -> CatalogError:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return CatalogError(
            f"{self._source}:{row}: the Parquet file cannot be read: {reason.rstrip('.')}. "
            "Export it again."
        )


class _UnreadableError(Exception):
    """Stands in the place of a value that Python cannot hold."""

    def __init__(self, reason: RejectReason) -> None:
        super().__init__(reason)
        self.reason = reason


def _import_arrow() -> ModuleType:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError(
            'Reading Parquet needs pyarrow. Install it: pip install "sabana-search[parquet]"'
        ) from error
    arrow: ModuleType = pyarrow
    return arrow


def _convert_scalar(scalar: Any) -> Any:
    try:
        return to_json(scalar.as_py())
    except UnicodeDecodeError:
        return _UnreadableError(RejectReason.INVALID_UTF8)
    except (ValueError, TypeError, OverflowError, KeyError, ImportError):
        return _UnreadableError(RejectReason.MALFORMED_ROW)


def _iso_timestamp(ticks: int | None, zone: str) -> Any:
    if ticks is None:
        return None
    try:
        moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=ticks)
    except OverflowError:
        return _UnreadableError(RejectReason.MALFORMED_ROW)
    return moment.isoformat() + zone


def to_json(value: Any) -> Any:
    """Return a Python value from Arrow as JSON has it (see `ParquetTable`).

    Raises:
        TypeError: the value is of a kind that JSON has nothing for.
    """
    match value:
        case None | str() | bool() | int() | float():
            return value
        case Decimal():
            return _decimal_number(value)
        case datetime.date() | datetime.time():
            return value.isoformat()
        case datetime.timedelta():
            return value.total_seconds()
        case bytes():
            try:
                return value.decode("utf-8")
            except UnicodeDecodeError:
                return base64.b64encode(value).decode("ascii")
        case UUID():
            return str(value)
        case dict():
            return {str(key): to_json(child) for key, child in value.items()}
        case [*pairs] if pairs and all(isinstance(pair, tuple) for pair in pairs):
            # A map arrives as a list of pairs.
            return {str(key): to_json(child) for key, child in pairs}
        case list():
            return [to_json(child) for child in value]
    raise TypeError(f"no JSON for {type(value).__name__}")


def _decimal_number(value: Decimal) -> int | float | str:
    if value == value.to_integral_value() and abs(value) < 2**53:
        return int(value)
    number = float(value)
    return number if Decimal(repr(number)) == value else str(value)
