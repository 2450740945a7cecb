"""Every error that this project raises on purpose.

Messages are one line for people: what is wrong, where, and what to do about it. The command line
prints them as they are and exits with 1 (the work failed) or 2 (wrong usage: `UsageError`, and
whenever no index, model or file is where the caller said; see `engine.cli.outcome`). A model that
the hub cannot serve is 1: whether there is one of that name remains unknown.
"""

from __future__ import annotations


class EngineError(Exception):
    """Base of all errors raised on purpose; catching it catches them all."""


class UsageError(EngineError, ValueError):
    """The caller asked for something that makes no sense, such as `k=0` or an empty query."""


class IndexNotFoundError(EngineError):
    """There is no index at the given path."""


class IndexFormatError(EngineError):
    """The index was written in a format that this version cannot read."""


class IndexDamagedError(EngineError):
    """Stored bytes are not what was written; the message names the damaged part."""


class IndexLockedError(EngineError):
    """Another process is writing to the index."""


class IndexWriteError(EngineError):
    """A commit failed (disk full, no permission); the index is as it was before."""


class ModelMismatchError(EngineError):
    """Documents encoded with one model cannot join an index built with another."""


class ModelError(EngineError):
    """A model is missing, incomplete or of a kind that cannot be loaded."""


class ModelNotFoundError(ModelError):
    """There is no model at the given path, or it is a file; a model is a folder."""


class CatalogError(EngineError):
    """A catalog cannot be read, or holds a bad record while `strict` was asked for."""


class InputNotFoundError(CatalogError):
    """There is no catalog, collection or other file to be read under the given name.

    That is also a folder where a file is meant, or the other way round.
    """


class DocumentNotFoundError(EngineError, KeyError):
    """No document has the given id."""

    # KeyError shows repr(message); people should read the message itself.
    __str__ = Exception.__str__


class MissingExtraError(EngineError, ImportError):
    """A command needs packages of an extra that is not installed; the message names the extra."""
