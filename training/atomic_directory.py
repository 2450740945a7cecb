"""Replacing a directory as a whole: readers find the old one or the new one, never a part."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path


def replace_directory(target: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a new directory beside `target`, then put it in the place of `target`.

    When anything fails before the end, `target` is as it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    new, old = _beside(target, "new"), _beside(target, "old")
    recover_directory(target)
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    try:
        write(new)
        for path in sorted(new.rglob("*")):
            if path.is_file():
                _flush(path)
        if target.exists():
            target.rename(old)
        new.rename(target)
        _flush(target.parent)
    finally:
        recover_directory(target)
        shutil.rmtree(new, ignore_errors=True)


def recover_directory(target: Path) -> None:
    """Finish what a killed `replace_directory` left behind."""
    old = _beside(target, "old")
    if old.exists():
        if target.exists():
            shutil.rmtree(old)
        else:
            old.rename(target)


def replace_file(target: Path, write: Callable[[Path], None]) -> None:
    """Let `write` make a new file beside `target`, then put it in the place of `target`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    new = _beside(target, "new")
    try:
        write(new)
        _flush(new)
        new.replace(target)
        _flush(target.parent)
    finally:
        new.unlink(missing_ok=True)


def remove_unfinished(target: Path) -> None:
    """Remove what a `replace_file` that was killed left beside `target`."""
    _beside(target, "new").unlink(missing_ok=True)


def _beside(target: Path, suffix: str) -> Path:
    return target.with_name(f".{target.name}.{suffix}")


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
