"""Commands that need packages of an extra say which to install."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from engine.errors import MissingExtraError

_OURS = ("engine", "indexer", "training")


@contextlib.contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Turn a package that is missing while importing into an error that names the extra.

    Raises:
        MissingExtraError: a package of the extra is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if not package or package in _OURS:
            raise
        raise MissingExtraError(
            f"this command needs the package {package}, which is not installed; install it with "
            f'pip install "sabana-search[{extra}]"'
        ) from error
