"""A snapshot: one commit of an index, as a reader sees it for as long as it likes."""

from __future__ import annotations

import ctypes
import os
import weakref
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.errors import IndexDamagedError, IndexNotFoundError
from engine.storage import keys
from engine.storage.catalog_settings import CatalogSettings, load_settings
from engine.storage.envelope import as_array, read_value
from engine.storage.environment import Environment
from engine.storage.manifest import Manifest
from engine.storage.segment import Segment, hash_id
from engine.storage.unfinished_run import UnfinishedRun, load_runs

_live: weakref.WeakSet[Snapshot] = weakref.WeakSet()


class Snapshot:
    """Everything that one commit holds. It stays readable and unchanged while writers go on.

    Documents are numbered through all segments, in the order in which they were added; that
    number breaks ties between equal scores.

    Args:
        path: directory of the index.
        before: an earlier commit, which may be closed; what it verified is not verified again.
    """

    def __init__(self, path: str | Path, before: Snapshot | None = None) -> None:
        self.path = Path(path)
        self._place = self.path.absolute()
        self._environment = Environment.attach(self.path)
        try:
            self._transaction = self._environment.begin_read()
        except BaseException:
            self._environment.detach()
            raise
        try:
            self.manifest = self._read_manifest()
            known: dict[int, Segment] = {}
            if before is not None and self.shares_file_with(before):
                known = {segment.record.number: segment for segment in before.segments}
            self.segments: list[Segment] = [
                Segment(self._transaction, str(self.path), record, known.get(record.number))
                for record in self.manifest.segments
            ]
            counts = [record.documents for record in self.manifest.segments]
            self.first_documents = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
            self._first_documents: list[int] = self.first_documents.tolist()
        except BaseException:
            self._transaction.abort()
            self._environment.detach()
            raise

        self._process = os.getpid()
        self._is_closed = False
        _live.add(self)

    def close(self) -> None:
        """Let go of the commit. No view of it may be used afterwards. Twice is harmless."""
        if self._end():
            self._environment.detach()

    def close_when_collected(self) -> None:
        """Close from within a garbage collection, which may interrupt anything."""
        if self._end():
            self._environment.detach_when_possible()

    def _end(self) -> bool:
        """End the transaction; tells whether that was still to be done."""
        if self._is_closed:
            return False
        self._is_closed = True
        for segment in self.segments:
            segment.forget_parts()
        # In a forked process the transaction is that of the parent, who goes on reading in it.
        if self._process == os.getpid():
            self._transaction.abort()
        return True

    def file_bytes(self) -> int:
        """Size of the index on disk, in bytes."""
        return self._environment.file_bytes()

    def page_size(self) -> int:
        """Bytes of a page of the index."""
        return self._environment.page_size()

    @property
    def identity(self) -> tuple[int, int, int]:
        """What tells this commit from every other: its file, and its number in it."""
        return (*self._environment.key, self.manifest.transaction)

    def shares_file_with(self, other: Snapshot) -> bool:
        """Whether both are commits of one file, as this process has it open.

        What is in a segment of both is then the same memory.
        """
        return self._environment is other._environment

    def is_newest(self) -> bool:
        """Whether this is still the newest commit of the index that its path leads to.

        Raises:
            IndexDamagedError: the meta pages are damaged.
        """
        environment = self._environment
        return (
            environment.is_at(self._place)
            and environment.newest_transaction() == self.manifest.transaction
        )

    def refuse_overwritten(self, remedy: str = "run this again") -> None:
        """Check that what was read until now is of this commit; `remedy` says what to do if not.

        Raises:
            EngineError: a writer that cannot see this reader has overwritten what it reads.
            IndexDamagedError: the meta pages are damaged.
        """
        self._environment.refuse_overwritten(self.manifest.transaction, remedy)

    def reading(self) -> AbstractContextManager[None]:
        """Refuse what is read in the block, and its errors, as `refuse_overwritten` does."""
        return self._environment.reading(self.manifest.transaction)

    def entries(self, prefix: bytes = b"") -> Iterator[tuple[bytes, memoryview]]:
        """Keys that begin with `prefix`, in order, each with its value as a view into the map.

        The value is as it is stored, with its header, and not checked.
        """
        cursor = self._transaction.cursor()
        try:
            if cursor.set_range(prefix):
                for key, value in cursor:
                    if not bytes(key).startswith(prefix):
                        return
                    yield bytes(key), value
        finally:
            cursor.close()

    def _read_manifest(self) -> Manifest:
        if self._transaction.get(keys.MANIFEST) is None:
            if self._transaction.id() == 0:
                raise IndexNotFoundError(
                    f"{self.path} holds no index yet: indexing was begun and nothing committed"
                )
            raise IndexDamagedError(f"{self.path} is damaged: it has no manifest")
        payload = read_value(self._transaction, keys.MANIFEST, f"{self.path}: manifest")
        manifest = Manifest.from_bytes(bytes(payload), str(self.path))
        if manifest.transaction != self._transaction.id():
            raise IndexDamagedError(
                f"{self.path} is damaged: its manifest is of commit {manifest.transaction}, "
                f"its pages of commit {self._transaction.id()}"
            )
        return manifest

    def tokenizer_json(self) -> bytes:
        """The query tokenizer of the model, as the text of a `tokenizer.json`."""
        return bytes(read_value(self._transaction, keys.TOKENIZER, f"{self.path}: tokenizer"))

    def static_weights(self) -> npt.NDArray[np.float32]:
        """Static weight of each vocabulary entry, (V,) float32."""
        where = f"{self.path}: static weights"
        payload = read_value(self._transaction, keys.STATIC_WEIGHTS, where)
        if len(payload) != 4 * self.manifest.vocabulary_size:
            raise IndexDamagedError(f"{where} are damaged: not one a vocabulary entry")
        return as_array(payload, "<f4").astype(np.float32)

    def unfinished_runs(self) -> tuple[UnfinishedRun, ...]:
        """Runs that filled this index and have not come to their end."""
        if self._transaction.get(keys.UNFINISHED_RUNS) is None:
            return ()
        where = f"{self.path}: unfinished runs"
        payload = read_value(self._transaction, keys.UNFINISHED_RUNS, where)
        return load_runs(bytes(payload), str(self.path))

    def catalog_settings(self) -> CatalogSettings:
        """How catalogs are read into this index, as far as somebody said."""
        if self._transaction.get(keys.CATALOG_SETTINGS) is None:
            return CatalogSettings()
        where = f"{self.path}: settings for catalogs"
        payload = read_value(self._transaction, keys.CATALOG_SETTINGS, where)
        return load_settings(bytes(payload), str(self.path))

    def locate(self, document: int) -> tuple[Segment, int]:
        """Segment and local document of a global document number."""
        at = bisect_right(self._first_documents, document) - 1
        return self.segments[at], document - self._first_documents[at]

    def find(self, identifier: str) -> int | None:
        """Global document number of an external id, None when there is none."""
        try:
            encoded = identifier.encode()
        except UnicodeEncodeError:
            return None
        hashed = hash_id(encoded)
        # Newest first: a document that was replaced is live only where it was written last.
        for at in reversed(range(len(self.segments))):
            document = self.segments[at].find(encoded, hashed)
            if document is not None:
                return int(self.first_documents[at]) + document
        return None

    def stored_bytes(self) -> dict[str, int]:
        """Bytes of each kind of stored value, by part name, and of the file as a whole."""
        totals: dict[str, int] = {}
        for key, value in self.entries():
            name = key.decode("ascii", "replace").rsplit("/", 1)[-1]
            totals[name] = totals.get(name, 0) + len(value)
        return totals


def _keep_transactions() -> None:
    """Make the transactions of the parent immortal in a forked process.

    LMDB's reader table is shared memory: ending a transaction here, were it only by garbage
    collection, would free the parent's place, and a writer could reuse pages it is reading.
    """
    for snapshot in list(_live):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(snapshot._transaction))


os.register_at_fork(after_in_child=_keep_transactions)
