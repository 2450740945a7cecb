"""Reading the JSON files of a model, with errors that name the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.errors import ModelError


def read_json(path: Path) -> Any:
    """Return the parsed content of `path`; raises `ModelError` if it is missing or malformed."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"{path} is missing: the model is incomplete, copy it again") from error
    except (OSError, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            f"{path} cannot be read as JSON ({reason}): the model is damaged, copy it again"
        ) from error


def read_json_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in `path`; raises `ModelError` if it holds anything else."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise ModelError(f"{path} holds no JSON object: the model is damaged, copy it again")
    return content


def read_optional_json_object(path: Path) -> dict[str, Any]:
    """Like `read_json_object`, but a missing file is an empty object."""
    return read_json_object(path) if path.is_file() else {}
