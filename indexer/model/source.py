"""Where a model comes from: the embedded default, a directory, or the Hugging Face hub."""

from __future__ import annotations

import os
from pathlib import Path

from engine.errors import ModelError, ModelNotFoundError

DEFAULT_NAME = "default"

# Weights come from safetensors alone: a pickle could run code, so none is ever fetched.
_SAFE_PATTERNS = ["*.json", "*.txt", "*.safetensors"]


def find_model_directory(
    name_or_path: str | os.PathLike[str] | None, *, trust_remote_code: bool = False
) -> tuple[str, Path]:
    """Return `(name, directory)` of a model, downloading it when it is neither embedded nor local.

    `None` and `"default"` are the embedded model; an existing directory is itself; anything else is
    a name on the hub. Raises `ModelNotFoundError` when there is no such directory, and `ModelError`
    when the hub cannot serve the name: whether there is such a model then remains unknown.
    """
    if name_or_path is None or name_or_path == DEFAULT_NAME:
        return DEFAULT_NAME, Path(__file__).resolve().parents[1] / "default_model"
    name = os.fspath(name_or_path)
    path = Path(name).expanduser()
    if path.is_dir():
        # Recorded in an index: it must lead to the same model wherever it is read.
        return str(path.absolute()), path
    if path.exists():
        raise ModelNotFoundError(
            f"model {name!r} is a file: give the directory that holds the model"
        )
    if not isinstance(name_or_path, str) or not _is_hub_name(name):
        raise ModelNotFoundError(
            f"there is no model directory at {name!r}: "
            "check the path, or leave --model out for the embedded default"
        )
    return name, _download(name, trust_remote_code)


def _is_hub_name(name: str) -> bool:
    parts = name.split("/")
    return len(parts) <= 2 and all(parts) and not name.startswith((".", "~")) and "\\" not in name


def _download(name: str, trust_remote_code: bool) -> Path:
    from huggingface_hub import snapshot_download

    patterns = [*_SAFE_PATTERNS, "*.py"] if trust_remote_code else _SAFE_PATTERNS
    try:
        return Path(snapshot_download(name, allow_patterns=patterns))
    except Exception as error:  # any network, authentication or name failure: same advice
        raise ModelError(
            f"model {name!r} is no directory here and could not be fetched from the hub "
            f"({type(error).__name__}): give the directory of a model, "
            "or leave --model out for the embedded default"
        ) from error
