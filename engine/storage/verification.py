"""Reading all of an index to find what is damaged, without stopping at the first."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import IndexDamagedError, IndexNotFoundError
from engine.storage import keys
from engine.storage.block_contents import block_problems
from engine.storage.catalog_settings import load_settings
from engine.storage.envelope import HEADER_BYTES, unseal
from engine.storage.environment import Environment
from engine.storage.index_folder import DATA_FILE
from engine.storage.manifest import Manifest, SegmentRecord
from engine.storage.segment import Segment
from engine.storage.segment_contents import (
    document_problems,
    id_problems,
    living_twice,
    record_problems,
    tombstone_mask,
    tombstone_problems,
)
from engine.storage.stored_block import read_block
from engine.storage.unfinished_run import load_runs
from engine.storage.verification_report import Damage, VerificationReport

Progress = Callable[[int, int], None]

_ID_PARTS = ("id-offsets", "ids", "id-hashes", "id-documents")
_DOCUMENT_PARTS = ("document-offsets", "document-checksums", "documents", "content-hashes")


def verify_index(
    path: str | Path, *, deep: bool = False, progress: Progress | None = None
) -> VerificationReport:
    """Read everything that the newest commit of an index consists of, and tell what is damaged.

    Pages of the file, the checksum of every value, and that all parts of all segments are there
    and have lengths that belong together. Writers and readers of the index may be at work.

    Args:
        path: directory of the index.
        deep: decode contents too: order, impacts and documents of all postings, counts of the
            manifest, ids and their hashes, stored documents, tombstones, and that no id is live
            twice.
        progress: called now and then with the bytes that were read and the bytes of all values.

    Raises:
        IndexNotFoundError: there is no index.
        IndexFormatError: it was written by a newer version.
        EngineError: it cannot be opened, or a writer has overwritten the commit meanwhile, which
            says nothing about its contents.
    """
    place = Path(path)
    try:
        environment = Environment.attach(place)
    except IndexDamagedError as error:
        return _unreadable(place, deep, error)
    try:
        try:
            transaction = environment.begin_read()
        except IndexDamagedError as error:
            return _unreadable(place, deep, error)
        try:
            if transaction.id() == 0:
                raise IndexNotFoundError(
                    f"{place} holds no index yet: indexing was begun and nothing committed"
                )
            with environment.reading(transaction.id()):
                return _Verification(place, transaction, deep, progress or _ignore).run()
        finally:
            transaction.abort()
    finally:
        environment.detach()


class _Verification:
    """Verifies one commit; `run` once."""

    def __init__(self, path: Path, transaction: Any, deep: bool, progress: Progress) -> None:
        self._path = path
        self._transaction = transaction
        self._deep = deep
        self._progress = progress
        self._damages: list[Damage] = []
        self._sound: set[bytes] = set()
        self._unsound: set[bytes] = set()
        # Segments whose ids and tombstones can be believed, each with its live documents.
        self._living: list[tuple[Segment, npt.NDArray[np.bool_]]] = []
        self._bytes = sum(len(value) for _, value in transaction.cursor())
        self._done = 0
        # Contents are decoded in a second pass over what most bytes belong to.
        self._total = 2 * self._bytes if deep else self._bytes

    def run(self) -> VerificationReport:
        self._read_values()
        manifest = self._manifest()
        records = manifest.segments if manifest is not None else ()
        if manifest is not None:
            self._find_strays(manifest)
            self._verify_model(manifest)
            for record in records:
                self._verify_segment(record, manifest.vocabulary_size)
            if self._deep:
                self._tell_all("ids", living_twice(self._living))
        self._progress(self._total, self._total)
        return VerificationReport(
            path=str(self._path),
            is_deep=self._deep,
            damages=tuple(self._damages),
            bytes=self._bytes,
            values=len(self._sound) + len(self._unsound),
            segments=len(records),
            documents=manifest.documents if manifest is not None else 0,
        )

    def _read_values(self) -> None:
        for stored, value in self._transaction.cursor():
            key = bytes(stored)
            try:
                unseal(key, value, keys.describe(key))
                self._sound.add(key)
            except IndexDamagedError as error:
                self._unsound.add(key)
                self._tell(keys.describe(key), error)
            self._advance(len(value))

    def _manifest(self) -> Manifest | None:
        if keys.MANIFEST not in self._sound:
            if keys.MANIFEST not in self._unsound:
                self._tell("manifest", "it is missing from the index")
            return None
        try:
            manifest = Manifest.from_bytes(self._payload(keys.MANIFEST), str(self._path))
        except IndexDamagedError as error:
            self._tell("manifest", error)
            return None
        if manifest.transaction != (number := self._transaction.id()):
            problem = f"it is of commit {manifest.transaction}, its pages of commit {number}"
            self._tell("manifest", problem)
        return manifest

    def _find_strays(self, manifest: Manifest) -> None:
        """Values that the manifest implies and are not there, and others that belong to nothing."""
        expected = {keys.MANIFEST}
        optional = {keys.UNFINISHED_RUNS, keys.CATALOG_SETTINGS}
        if manifest.model is not None:
            expected |= {keys.TOKENIZER, keys.STATIC_WEIGHTS}
        for record in manifest.segments:
            expected.update(_expected(record))
            optional.add(keys.segment_part(record.number, "tombstones"))
        present = self._sound | self._unsound
        for key in sorted(expected - present):
            self._tell(keys.describe(key), "it is missing from the index")
        for key in sorted(present - expected - optional):
            self._tell(keys.describe(key), "it belongs to nothing that the manifest names")

    def _verify_model(self, manifest: Manifest) -> None:
        if keys.STATIC_WEIGHTS in self._sound:
            weights = self._payload(keys.STATIC_WEIGHTS)
            if len(weights) != 4 * manifest.vocabulary_size:
                self._tell("static weights", "they are not one a vocabulary entry")
            elif not np.isfinite(np.frombuffer(weights, "<f4")).all():
                self._tell("static weights", "they are not all numbers")
        if self._deep and keys.TOKENIZER in self._sound:
            try:
                json.loads(self._payload(keys.TOKENIZER))
            except (ValueError, RecursionError):
                self._tell("tokenizer", "it is no JSON")
        if keys.UNFINISHED_RUNS in self._sound:
            try:
                load_runs(self._payload(keys.UNFINISHED_RUNS), str(self._path))
            except IndexDamagedError as error:
                self._tell("unfinished runs", error)
        if keys.CATALOG_SETTINGS in self._sound:
            try:
                load_settings(self._payload(keys.CATALOG_SETTINGS), str(self._path))
            except IndexDamagedError as error:
                self._tell("catalog settings", error)

    def _verify_segment(self, record: SegmentRecord, vocabulary_size: int) -> None:
        name = keys.describe(keys.segment_part(record.number, ""))
        if not self._tell_all(name, record_problems(record)):
            return
        # Tombstones are to be verified like the rest, so opening it shall not read them.
        segment = Segment(self._transaction, "", dataclasses.replace(record, deleted=0))
        for number in range(len(record.blocks)):
            self._verify_block(segment, number, vocabulary_size)
        if record.has_documents and self._are_sound(record, _DOCUMENT_PARTS):
            self._tell_all(name, document_problems(segment, deep=self._deep))
        has_ids = self._are_sound(record, _ID_PARTS) and self._tell_all(
            name, id_problems(segment, deep=self._deep)
        )
        has_tombstones = not record.deleted or (
            self._are_sound(record, ("tombstones",))
            and self._tell_all(name, tombstone_problems(segment, record.deleted))
        )
        if has_ids and has_tombstones:
            live = np.ones(record.documents, np.bool_)
            self._living.append((segment, ~tombstone_mask(segment) if record.deleted else live))

    def _verify_block(self, segment: Segment, number: int, vocabulary_size: int) -> None:
        stored = [keys.block_part(segment.record.number, number, one) for one in keys.BLOCK_PARTS]
        if not self._sound.issuperset(stored):
            return
        name = keys.describe(keys.block_part(segment.record.number, number, ""))
        try:
            block = read_block(segment, number, vocabulary_size)
        except IndexDamagedError as error:
            self._tell(name, error)
            return
        if self._deep:
            self._tell_all(name, block_problems(block, segment.record.blocks[number]))
            self._advance(sum(len(self._transaction.get(key)) for key in stored))

    def _are_sound(self, record: SegmentRecord, parts: Iterable[str]) -> bool:
        return self._sound.issuperset(keys.segment_part(record.number, part) for part in parts)

    def _payload(self, key: bytes) -> bytes:
        return bytes(self._transaction.get(key)[HEADER_BYTES:])

    def _tell(self, part: str, problem: str | IndexDamagedError) -> None:
        # What an error says of the place is in `part`.
        text = str(problem).rpartition(" is damaged: ")[2]
        self._damages.append(Damage(part, text))

    def _tell_all(self, part: str, problems: Iterable[str]) -> bool:
        """Add problems, if there are any; returns whether there are none."""
        before = len(self._damages)
        try:
            for problem in problems:
                self._tell(part, problem)
        except IndexDamagedError as error:
            self._tell(part, error)
        return len(self._damages) == before

    def _advance(self, done: int) -> None:
        self._done += done
        self._progress(self._done, self._total)


def _unreadable(path: Path, deep: bool, error: IndexDamagedError) -> VerificationReport:
    # The report names the folder already, and an error may name it by its absolute path.
    _, named, rest = str(error).partition(f"{DATA_FILE} is ")
    problem = (rest if named else str(error)).removeprefix("damaged: ")
    # What to do about it is for whoever reads the report to say.
    problem = problem.partition("; ")[0]
    return VerificationReport(str(path), deep, (Damage("pages", problem),), 0, 0, 0, 0)


def _expected(record: SegmentRecord) -> Iterator[bytes]:
    """Keys of the values that a segment consists of."""
    parts = (*_ID_PARTS, *(_DOCUMENT_PARTS if record.has_documents else ()))
    for part in (*parts, *(("tombstones",) if record.deleted else ())):
        yield keys.segment_part(record.number, part)
    for block in range(len(record.blocks)):
        for part in keys.BLOCK_PARTS:
            yield keys.block_part(record.number, block, part)


def _ignore(done: int, total: int) -> None:
    """Nobody wants to know how far it has come."""
