"""The two tokenizers of a model: one for queries, one for documents."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, normalizers
from transformers import AutoTokenizer

from engine.errors import ModelError
from indexer.model.json_file import read_json_object, read_optional_json_object

# Keys of tokenizer_config.json that change how text is normalized.
_NORMALIZING = ("do_lower_case", "strip_accents", "tokenize_chinese_chars")


class ModelTokenizer:
    """A fast tokenizer read from a model's folder, without truncation or padding.

    `canonical` is its tokenizer.json with sorted keys; `max_length` is what the folder says about
    the longest input in tokens, or None; `digest` identifies it whatever library versions read it.
    """

    def __init__(self, directory: Path, *, trust_remote_code: bool = False) -> None:
        # transformers decides what the files mean, because it does so for the training side too.
        try:
            loaded = AutoTokenizer.from_pretrained(
                str(directory), local_files_only=True, trust_remote_code=trust_remote_code
            )
            backend = loaded.backend_tokenizer
        except Exception as error:  # the library raises anything from OSError to KeyError here
            raise ModelError(
                f"no tokenizer can be read from {directory} ({_first_line(error)}): "
                "it needs a sound tokenizer.json"
            ) from error
        self.directory = directory
        self.truncation_side: str = loaded.truncation_side
        # An unset length is a number like 1e30.
        longest = int(min(loaded.model_max_length, 10**9))
        self.max_length: int | None = longest if longest < 10**9 else None
        self.canonical = canonical_tokenizer_json(json.loads(backend.to_str()))
        self.tokenizer: Tokenizer = Tokenizer.from_str(self.canonical.decode("utf-8"))
        self.digest = self._digest()

    def for_documents(self, max_length: int, *, lower_case: bool) -> Tokenizer:
        """Return a copy that truncates to `max_length` tokens and may lower-case first."""
        tokenizer = Tokenizer.from_str(self.canonical.decode("utf-8"))
        if lower_case and not _lower_cases(json.loads(self.canonical).get("normalizer")):
            before = [normalizers.Lowercase()]
            if tokenizer.normalizer is not None:
                before.append(tokenizer.normalizer)
            tokenizer.normalizer = normalizers.Sequence(before)
        tokenizer.enable_truncation(max_length, direction=self.truncation_side)
        return tokenizer

    def _digest(self) -> str:
        # The file rather than what a library version writes back, so that upgrading one does not
        # change the identity of a model.
        path = self.directory / "tokenizer.json"
        content = self.canonical
        if path.is_file():
            content = canonical_tokenizer_json(read_json_object(path))
        settings = read_optional_json_object(self.directory / "tokenizer_config.json")
        normalizing = {key: settings[key] for key in _NORMALIZING if key in settings}
        digest = hashlib.sha256(content)
        digest.update(json.dumps(normalizing, sort_keys=True).encode())
        return digest.hexdigest()


def canonical_tokenizer_json(content: dict[str, Any]) -> bytes:
    """Return tokenizer.json without truncation and padding, keys sorted, as UTF-8."""
    content = {**content, "truncation": None, "padding": None}
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8")


def encodable(text: str) -> str:
    """Return `text` with every lone surrogate replaced, which no tokenizer could encode."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _lower_cases(normalizer: dict[str, Any] | None) -> bool:
    if normalizer is None:
        return False
    steps = normalizer.get("normalizers", [normalizer])
    return any(step.get("type") == "Lowercase" for step in steps)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
