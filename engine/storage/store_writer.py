"""Writing to an index: all that a commit publishes goes into one LMDB transaction."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.errors import (
    EngineError,
    IndexDamagedError,
    IndexNotFoundError,
    ModelMismatchError,
    UsageError,
)
from engine.storage import keys
from engine.storage.catalog_settings import CatalogSettings, dump_settings
from engine.storage.environment import Environment
from engine.storage.index_folder import DATA_FILE, remove_leftovers, remove_uncommitted
from engine.storage.manifest import Manifest, ModelRecord, Quantization
from engine.storage.segment_content import (
    MergedSegments,
    SegmentContent,
    segment_keys,
    segment_record,
    segment_values,
)
from engine.storage.snapshot import Snapshot
from engine.storage.unfinished_run import UnfinishedRun, dump_runs
from engine.storage.writer_lock import writer_lock
from engine.version import __version__


@dataclass(frozen=True, slots=True)
class QuerySide:
    """What an index keeps of its model, so that queries need nothing else."""

    record: ModelRecord
    tokenizer_json: bytes
    static_weights: npt.NDArray[np.float32]


class _Notes(NamedTuple):
    """What a commit says beside its documents, for later runs; readers need not know it."""

    runs: tuple[UnfinishedRun, ...]
    settings: CatalogSettings


class StoreWriter:
    """The one writer of an index, from creation to `close`.

    Args:
        path: directory of the index.
        vocabulary_size: V; None takes an existing index as it is, whatever it was built with.
        max_weight: largest weight of a new index, a power of two; None while it is unknown.
        query_side: the model of the index; None without one.
        wait: how many seconds to wait for another writer to finish.

    Attributes:
        manifest: the newest commit, or what the first one begins with.
        unfinished_runs, catalog_settings: what the next commit says of them.

    Raises:
        IndexLockedError: there is another writer.
        IndexNotFoundError: there is no index, and `vocabulary_size` is None.
        ModelMismatchError: the index was built with another model.
        IndexDamagedError, IndexFormatError: the existing index cannot be read.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        vocabulary_size: int | None = None,
        max_weight: float | None = None,
        query_side: QuerySide | None = None,
        wait: float = 0.0,
    ) -> None:
        self.path = Path(path).absolute()
        if vocabulary_size is None and not (self.path / DATA_FILE).exists():
            # Before the lock is taken, which would make a folder where there is none.
            raise self._nothing()
        self._lock = writer_lock(self.path, wait)
        self._lock.__enter__()
        try:
            remove_leftovers(self.path)
            self._environment = Environment.attach(self.path, create=vocabulary_size is not None)
        except BaseException:
            if not (self.path / DATA_FILE).exists():
                # Such as where the disk is full already: a first run leaves nothing behind.
                remove_uncommitted(self.path)
            self._lock.__exit__(None, None, None)
            raise
        self._is_new = False
        self._is_closed = False
        try:
            existing, self._stored_notes = self._read_newest()
            self.unfinished_runs, self.catalog_settings = self._stored_notes
            self._is_new = existing is None
            self._pending_query_side = query_side if existing is None else None
            if existing is None:
                if vocabulary_size is None:
                    raise self._nothing()
                existing = Manifest(
                    vocabulary_size=vocabulary_size,
                    quantization=Quantization(max_weight or 0.0),
                    model=query_side.record if query_side else None,
                )
            self.manifest = existing
            if vocabulary_size is not None:
                self.refuse_other_model(vocabulary_size, query_side)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let another writer in. What was not committed is gone.

        An index that was begun and never committed leaves nothing behind. Closing twice is
        harmless.
        """
        if self._is_closed:
            return
        self._is_closed = True
        # The disk knows better than the flag: an interrupt may have come right after a commit.
        never_committed = False
        if self._is_new:
            with contextlib.suppress(EngineError):
                never_committed = self._read_newest()[0] is None
        self._environment.detach()
        # A process that was forked from the writer's has nothing to tidy up.
        is_own = not self._environment.is_inherited
        if never_committed and is_own and self._environment.is_closed:
            remove_uncommitted(self.path)
        self._lock.__exit__(None, None, None)

    def set_max_weight(self, max_weight: float) -> None:
        """Choose the quantization of an index that holds no posting yet."""
        if not any(segment.postings for segment in self.manifest.segments):
            self.manifest = dataclasses.replace(
                self.manifest, quantization=Quantization(max_weight)
            )

    def forget_settings(self) -> None:
        """Take `catalog_settings` as the last commit has them."""
        self.catalog_settings = self._stored_notes.settings

    def snapshot(self, before: Snapshot | None = None) -> Snapshot | None:
        """Open the newest commit, after `before`; None where there is none yet."""
        return Snapshot(self.path, before) if self.manifest.transaction else None

    def commit(
        self,
        added: Sequence[SegmentContent] = (),
        deleted: dict[int, npt.NDArray[np.bool_]] | None = None,
        dropped: Sequence[int] = (),
        merged: MergedSegments | None = None,
    ) -> Manifest:
        """Publish new segments and deletions together; all of it, or nothing.

        Args:
            added: new segments, in order.
            deleted: segment number to a mask over its documents of all that are now deleted,
                those of earlier commits included. May name segments of `added`, whose numbers
                begin at `self.manifest.next_segment`.
            dropped: numbers of segments that are removed.
            merged: segments that are replaced by one with the same live documents, as they are
                after this commit.

        Raises:
            IndexWriteError: the disk is full, or the like; the index is as it was.
            UsageError: this writer is closed, or a dropped or merged segment is not there.
        """
        if self._is_closed:
            raise UsageError(f"this writer of {self.path} is closed; open another")
        deleted = deleted or {}
        puts: list[tuple[bytes, Any]] = []
        gone = {*dropped, *(merged.numbers if merged else ())}
        known = [one.number for one in self.manifest.segments]
        if unknown := gone.difference(known):
            raise UsageError(f"{self.path} has no segment {min(unknown)} to drop or merge")
        removed = [one for one in self.manifest.segments if one.number in gone]
        deletes = [key for record in removed for key in segment_keys(record)]
        records = [one for one in self.manifest.segments if one.number not in gone]
        number = self.manifest.next_segment
        for content in added:
            puts.extend(segment_values(number, content))
            records.append(segment_record(number, content))
            number += 1
        if merged is not None:
            place = sum(one not in gone for one in known[: known.index(merged.numbers[0])])
            puts.extend(segment_values(number, merged.content))
            records.insert(place, segment_record(number, merged.content))
            number += 1
        for at, record in enumerate(records):
            mask = deleted.get(record.number)
            if mask is not None:
                count = int(np.count_nonzero(mask))
                records[at] = dataclasses.replace(record, deleted=count)
                bits = np.packbits(mask, bitorder="little")
                puts.append((keys.segment_part(record.number, "tombstones"), bits))
        if self.unfinished_runs:
            puts.append((keys.UNFINISHED_RUNS, dump_runs(self.unfinished_runs)))
        elif self._stored_notes.runs:
            deletes.append(keys.UNFINISHED_RUNS)
        if self.catalog_settings != self._stored_notes.settings:
            puts.append((keys.CATALOG_SETTINGS, dump_settings(self.catalog_settings)))
        if self._pending_query_side is not None:
            puts.append((keys.TOKENIZER, self._pending_query_side.tokenizer_json))
            weights = self._pending_query_side.static_weights.astype("<f4")
            puts.append((keys.STATIC_WEIGHTS, weights))
        draft = dataclasses.replace(
            self.manifest,
            segments=tuple(records),
            next_segment=number,
            software=__version__,
        )

        def manifest_of(transaction: int) -> tuple[bytes, bytes]:
            return keys.MANIFEST, dataclasses.replace(draft, transaction=transaction).to_bytes()

        transaction = self._environment.commit(
            puts, deletes, manifest_of, self.manifest.transaction
        )
        self.manifest = dataclasses.replace(draft, transaction=transaction)
        self._pending_query_side = None
        self._stored_notes = _Notes(self.unfinished_runs, self.catalog_settings)
        self._is_new = False
        return self.manifest

    @property
    def has_unsaved_notes(self) -> bool:
        """Whether `unfinished_runs` or `catalog_settings` were changed since the last commit."""
        return _Notes(self.unfinished_runs, self.catalog_settings) != self._stored_notes

    def _nothing(self) -> IndexNotFoundError:
        return IndexNotFoundError(
            f"no index at {self.path}; create one with `engine index CATALOG --index {self.path}`"
        )

    def _read_newest(self) -> tuple[Manifest | None, _Notes]:
        try:
            snapshot = Snapshot(self.path)
        except IndexNotFoundError:
            return None, _Notes((), CatalogSettings())
        try:
            notes = _Notes(snapshot.unfinished_runs(), snapshot.catalog_settings())
            return snapshot.manifest, notes
        finally:
            snapshot.close()

    def refuse_other_model(self, vocabulary_size: int, query_side: QuerySide | None) -> None:
        """Check that vectors belong to this index.

        Raises:
            ModelMismatchError: it was built with another model, or vectors of another width.
        """
        have, want = self.manifest.model, query_side.record if query_side else None
        if have is None and want is None and self.manifest.vocabulary_size == vocabulary_size:
            return
        if have and want and have.fingerprint == want.fingerprint:
            if self.manifest.vocabulary_size != vocabulary_size:
                raise IndexDamagedError(f"{self.path} is damaged: its vocabulary does not fit")
            return

        if have and want and have.name == want.name:
            raise ModelMismatchError(
                f"{self.path} was built with model {have.name} before it changed "
                f"({have.fingerprint[:12]}, now {want.fingerprint[:12]}): build this index anew "
                "with --rebuild, or another with --index"
            )

        def describe(model: ModelRecord | None, size: int) -> str:
            if model is None:
                return f"vectors of {size} dimensions without a model"
            return f"model {model.name} ({model.fingerprint[:12]})"

        raise ModelMismatchError(
            f"{self.path} was built with {describe(have, self.manifest.vocabulary_size)}, and "
            f"these documents come from {describe(want, vocabulary_size)}; name that model with "
            "--model, build this index anew with --rebuild, or another with --index"
        )
