"""Bad records: the reasons, what to do about each, and the file where all of them are kept."""

from __future__ import annotations

import codecs
import json
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from engine.errors import CatalogError

DETAIL_BYTES_KEPT = 400
RECORD_BYTES_KEPT = 4096
"""How much of a bad record the rejects file keeps: enough to recognise it."""


class RejectReason(StrEnum):
    """Why a record was set aside; `advice` says what its owner can do about it."""

    MALFORMED_JSON = "malformed-json"
    NOT_AN_OBJECT = "not-an-object"
    INVALID_UTF8 = "invalid-utf-8"
    LONE_SURROGATE = "lone-surrogate"
    NOT_FINITE_NUMBER = "not-finite-number"
    LINE_TOO_LONG = "line-too-long"
    MALFORMED_ROW = "malformed-row"
    MISSING_ID = "missing-id"
    EMPTY_ID = "empty-id"
    NON_SCALAR_ID = "non-scalar-id"
    ID_TOO_LONG = "id-too-long"
    DUPLICATE_ID = "duplicate-id"
    NO_TEXT = "no-text"

    @property
    def advice(self) -> str:
        """One sentence for people: what to do about such a record."""
        return _ADVICE[self]


_ADVICE = {
    RejectReason.MALFORMED_JSON: "Write each record as one complete JSON object on one line.",
    RejectReason.NOT_AN_OBJECT: (
        'Write each line as an object, such as {"id": "1", "title": "..."}.'
    ),
    RejectReason.INVALID_UTF8: (
        "Save the file as UTF-8; from Windows: iconv -f WINDOWS-1252 -t UTF-8."
    ),
    RejectReason.LONE_SURROGATE: (
        "Write the character as UTF-8, or as both halves of its \\ud8xx\\udcxx pair."
    ),
    RejectReason.NOT_FINITE_NUMBER: (
        "JSON has no NaN or Infinity; write null or leave the field out."
    ),
    RejectReason.LINE_TOO_LONG: (
        "Check that line breaks were not lost, and keep large content such as images elsewhere."
    ),
    RejectReason.MALFORMED_ROW: (
        "Give every row as many cells as the header, and quote cells that hold separators."
    ),
    RejectReason.MISSING_ID: "Give the record an id, or name its field with --id-field.",
    RejectReason.EMPTY_ID: "Give the record an id that is not blank.",
    RejectReason.NON_SCALAR_ID: "Make the id a string or a whole number.",
    RejectReason.ID_TOO_LONG: "Shorten the id to 65,535 bytes of UTF-8 or less.",
    RejectReason.DUPLICATE_ID: "Keep one record per id; the last one was taken.",
    RejectReason.NO_TEXT: "Fill in a title or description, or name text fields with --text-field.",
}


@dataclass(frozen=True, slots=True)
class Reject:
    """One bad record; `str()` gives one line for people."""

    reason: RejectReason
    source: str
    line: int
    detail: str
    record: str
    """The beginning of the record, always valid UTF-8: other bytes appear as `\\xNN`."""

    @classmethod
    def of(
        cls, reason: RejectReason, source: str, line: int, detail: str, raw: bytes | str
    ) -> Reject:
        """Return a reject whose parts are cut to a length that people can read."""
        return cls(
            reason,
            printable(source),
            line,
            printable(detail, DETAIL_BYTES_KEPT),
            printable(raw),
        )

    def __str__(self) -> str:
        return f"{self.source}:{self.line}: {self.reason}: {self.detail}. {self.reason.advice}"


class RejectLog:
    """Counts bad records by reason, keeps the first of each, and writes all to a file.

    The file is JSON Lines, `{"source", "line", "reason", "detail", "record"}`; it is created
    (an old one replaced) when the first reject arrives, so a clean run leaves none behind.
    Without a path nothing is written. Close it, or use it as a context manager, to flush it.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = None if path is None else Path(path)
        self.counts: dict[RejectReason, int] = {}
        self.first: dict[RejectReason, Reject] = {}
        self._file: TextIO | None = None
        self._opened = False

    @property
    def total(self) -> int:
        """How many records were rejected, over all reasons."""
        return sum(self.counts.values())

    def add(
        self, reason: RejectReason, source: str, line: int, detail: str, raw: bytes | str
    ) -> Reject:
        """Count one bad record and write it to the file.

        Args:
            reason: why it is bad.
            source: the name of the file that it came from.
            line: where it begins in that file, counted from 1.
            detail: what exactly is wrong, without a full stop.
            raw: the record as it was read; only its first few KB are kept.

        Raises:
            CatalogError: the rejects file cannot be written.
        """
        reject = Reject.of(reason, source, line, detail, raw)
        self.counts[reason] = self.counts.get(reason, 0) + 1
        self.first.setdefault(reason, reject)
        if self.path is not None:
            self._write(self.path, reject)
        return reject

    def _write(self, path: Path, reject: Reject) -> None:
        entry = {
            "source": reject.source,
            "line": reject.line,
            "reason": reject.reason.value,
            "detail": reject.detail,
            "record": reject.record,
        }
        try:
            if self._file is None:
                path.parent.mkdir(parents=True, exist_ok=True)
                # Rejects that arrive after close() join the others instead of replacing them.
                self._file = path.open("a" if self._opened else "w", encoding="utf-8", newline="\n")
                self._opened = True
            self._file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        except OSError as error:
            raise _unwritable(path, error) from error

    def close(self) -> None:
        """Flush and close the file; counts and first rejects stay.

        Raises:
            CatalogError: the last rejects could not be written.
        """
        file, self._file = self._file, None
        if file is not None and self.path is not None:
            try:
                file.close()
            except OSError as error:
                raise _unwritable(self.path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _unwritable(path: Path, error: OSError) -> CatalogError:
    return CatalogError(
        f"{path}: the rejects file cannot be written: {error.strerror or error}. "
        "Make room or give write permission there."
    )


def printable(raw: bytes | str, limit: int = RECORD_BYTES_KEPT) -> str:
    r"""Return the beginning of `raw` as text that can be encoded as UTF-8.

    Bytes that are not UTF-8 become `\xNN`, lone surrogates `\udNNN`. What is longer than
    `limit` bytes is cut between two characters and marked with an ellipsis.
    """
    if isinstance(raw, str):
        # No more than `limit` characters are wanted: don't encode megabytes to find out.
        data = raw[: limit + 1].encode("utf-8", "backslashreplace")
    else:
        data = raw.rstrip(b"\r\n") if len(raw) <= limit + 2 else raw[: limit + 1]
    if len(data) <= limit:
        return data.decode("utf-8", "backslashreplace")
    # An incremental decoder holds back the character that the cut went through.
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    return decoder.decode(data[:limit], final=False) + "…"
