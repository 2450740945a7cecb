"""The commit that an engine searches: which it is, when it moves on, and when it lets go."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
import weakref
from pathlib import Path

from engine.errors import EngineError
from engine.opened_commit import OpenedCommit

_log = logging.getLogger(__name__)
_all: weakref.WeakSet[CurrentCommit] = weakref.WeakSet()


class CurrentCommit:
    """Opens the newest commit of an index and holds it until told to move on. Thread-safe.

    Args:
        path: directory of the index.
        auto_refresh: look for a newer commit every so many seconds; None for never.

    Raises:
        IndexNotFoundError, IndexFormatError, IndexDamagedError: see `SearchEngine.open`.
    """

    def __init__(self, path: Path, auto_refresh: float | None) -> None:
        self._path = path
        # Where it is stays known when the process changes its working directory.
        self.place = path.absolute()
        self._auto_refresh = auto_refresh
        self._next_look = math.inf if auto_refresh is None else time.monotonic() + auto_refresh
        self._turn = threading.Lock()
        self._is_closed = False
        self._commit = OpenedCommit(path)
        _all.add(self)

    def use(self) -> OpenedCommit:
        """Begin a call: the commit to use, until it is left as a context manager.

        Raises:
            EngineError: this is closed, or a writer has overwritten the commit.
        """
        if time.monotonic() >= self._next_look:
            self._look_for_newer()
        while True:
            commit = self._commit
            if self._is_closed:
                raise _closed()
            if commit.is_inherited:
                with self._turn:
                    if self._commit is commit:
                        self._move()
            elif commit.begin():
                return commit

    def refresh(self) -> bool:
        """Move to the newest commit; tells whether there was a newer one.

        Raises:
            IndexNotFoundError, IndexFormatError, IndexDamagedError: this stays where it is.
        """
        with self._turn:
            return self._move()

    def close(self) -> None:
        """Let go, once calls under way in other threads have ended. Twice is harmless."""
        with self._turn:
            if self._is_closed:
                return
            self._is_closed = True
        self._commit.end(wait=True)

    def _move(self) -> bool:
        if self._is_closed:
            raise _closed()
        before = self._commit
        if not before.is_inherited and before.snapshot.is_newest():
            return False
        path = self._path if self._path.absolute() == self.place else self.place
        newest = OpenedCommit(path, before)
        is_newer = newest.snapshot.identity != before.snapshot.identity
        if is_newer or before.is_inherited:
            self._commit, superseded = newest, before
        else:
            superseded = newest
        superseded.end(wait=False)
        return is_newer

    def _look_for_newer(self) -> None:
        # One thread looks; the others go on with what there is.
        if self._auto_refresh is None or not self._turn.acquire(blocking=False):
            return
        try:
            self._next_look = time.monotonic() + self._auto_refresh
            self._move()
        except EngineError as error:
            if not self._is_closed:
                _log.warning("still searching an earlier commit: %s", error)
        finally:
            self._turn.release()


def _closed() -> EngineError:
    return EngineError("this SearchEngine is closed; open the index again")


def _begin_anew() -> None:
    """Free what threads of the parent may have held when this process was forked from it."""
    for current in list(_all):
        current._turn = threading.Lock()


os.register_at_fork(after_in_child=_begin_anew)
