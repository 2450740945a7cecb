"""Whether a file that somebody named is not there, or is there and cannot be read."""

from __future__ import annotations

from engine.errors import EngineError, InputNotFoundError

# Nothing is there, not even a folder for it, or a folder is: a mistake of whoever gave the name.
# Where it leads to a file that cannot be read, other errors say so.
NO_FILE_THERE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


def reading_error(error: Exception, otherwise: type[EngineError]) -> type[EngineError]:
    """Return `InputNotFoundError` where `error` says that no file is there, else `otherwise`."""
    return InputNotFoundError if isinstance(error, NO_FILE_THERE) else otherwise
