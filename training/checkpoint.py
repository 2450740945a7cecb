"""Checkpoints: the whole state of a run in one file, replaced as a whole."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from engine.errors import ModelError
from training.atomic_directory import replace_file

_FORMAT = 1


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state` (tensors, numbers, texts, lists and dicts); a kill leaves the file before."""
    replace_file(path, lambda new: torch.save({"format": _FORMAT, **state}, new))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read what `write_checkpoint` wrote, onto the CPU; raises `ModelError` if it is damaged."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise ModelError(
            f"{path} is no readable checkpoint ({reason}): --restart begins again without it"
        ) from error
    if not isinstance(state, dict) or state.get("format") != _FORMAT:
        raise ModelError(
            f"{path} was written by another version: --restart begins again without it"
        )
    return state
