"""Loading a masked language model and taking its output projection off.

With the projection replaced by the identity, the model returns the transformed token states
(tokens × d), whatever its architecture, and the projection can be done a block of the vocabulary
at a time (see `pooling`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import AutoModelForMaskedLM
from transformers.utils import logging

from engine.errors import ModelError
from indexer.model.json_file import read_json_object


@dataclass(frozen=True)
class MaskedLanguageModel:
    """`body` maps token ids (documents, length) to token states, or to logits without a `weight`.

    `weight` (V, d) and `bias` (V,) are the projection taken off, or None where the architecture
    has no plain one. `position_limit` is the number of positions that the model can tell apart,
    None if it has no table of them.
    """

    body: Any
    weight: torch.Tensor | None
    bias: torch.Tensor | None
    vocabulary_size: int
    position_limit: int | None

    def states(self, token_ids: torch.Tensor) -> torch.Tensor:
        """Return (documents × length, d) states of equally long documents, without any mask."""
        logits: torch.Tensor = self.body(input_ids=token_ids).logits
        return logits.flatten(0, 1)


def weight_files(directory: Path) -> list[Path]:
    """Return the safetensors files of a model folder, sorted by name; at least one."""
    files = sorted(directory.glob("model*.safetensors"))
    if not files:
        raise ModelError(
            f"{directory / 'model.safetensors'} is missing (weights are read from safetensors "
            "only, never from a pickle): the model is incomplete"
        )
    return files


def weights_digest(directory: Path) -> str:
    """Return the SHA-256 of the bytes of all weight files of a model folder."""
    digest = hashlib.sha256()
    for path in weight_files(directory):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def load_masked_lm(directory: Path, *, trust_remote_code: bool = False) -> MaskedLanguageModel:
    """Load the model in `directory` in float32, for inference, with its projection taken off.

    Raises `ModelError` if files are missing or damaged or it is no masked language model.
    """
    read_json_object(directory / "config.json")
    for path in weight_files(directory):
        try:
            with safe_open(path, framework="pt") as file:
                file.keys()
        except (OSError, SafetensorError) as error:
            raise ModelError(
                f"{path} is no readable safetensors file: copy the model again"
            ) from error
    model = _from_pretrained(directory, trust_remote_code).float().eval()
    model.requires_grad_(False)
    position_limit = _position_limit(model)
    with torch.inference_mode():
        return _take_projection_off(model, position_limit)


def _from_pretrained(directory: Path, trust_remote_code: bool) -> Any:
    transformers_logging: Any = logging  # its functions have no types
    with_bar = transformers_logging.is_progress_bar_enabled()
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    try:
        model, report = AutoModelForMaskedLM.from_pretrained(
            str(directory),
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=trust_remote_code,
            output_loading_info=True,
        )
    except Exception as error:  # the library raises anything from OSError to RuntimeError here
        reason = (str(error) or type(error).__name__).strip().splitlines()[0][:200]
        raise ModelError(
            f"{directory} cannot be loaded as a masked language model ({reason})"
        ) from error
    finally:
        transformers_logging.set_verbosity(verbosity)
        if with_bar:
            transformers_logging.enable_progress_bar()
    # A missing or misshapen tensor would be filled with random numbers, and nobody would notice.
    bad = sorted(map(str, report["missing_keys"])) + sorted(map(str, report["mismatched_keys"]))
    if bad:
        raise ModelError(
            f"{weight_files(directory)[0]} lacks {bad[0]} in the right shape ({len(bad)} tensors "
            "in all): it is no complete masked language model"
        )
    return model


def _take_projection_off(model: Any, position_limit: int | None) -> MaskedLanguageModel:
    """Replace the output projection by the identity if that provably gives the same logits."""
    probe = torch.arange(2, 8, dtype=torch.long).remainder(model.config.vocab_size)[None]
    expected = model(input_ids=probe).logits[0]
    vocabulary_size = expected.shape[-1]
    whole = MaskedLanguageModel(model, None, None, vocabulary_size, position_limit)

    projection = model.get_output_embeddings()
    names = [name for name, module in model.named_modules() if module is projection]
    if not isinstance(projection, torch.nn.Linear) or len(names) != 1:
        return whole
    parent_name, _, attribute = names[0].rpartition(".")
    parent = model.get_submodule(parent_name)
    setattr(parent, attribute, torch.nn.Identity())
    weight = projection.weight.detach()
    bias = None if projection.bias is None else projection.bias.detach()
    try:
        states = model(input_ids=probe).logits[0]
        logits = torch.nn.functional.linear(states, weight, bias)
        same = logits.shape == expected.shape and torch.allclose(
            logits, expected, rtol=1e-4, atol=1e-4
        )
    except (RuntimeError, AttributeError, TypeError):  # the forward pass needs a true projection
        same = False
    if not same:
        setattr(parent, attribute, projection)
        return whole
    return MaskedLanguageModel(model, weight, bias, vocabulary_size, position_limit)


def _position_limit(model: torch.nn.Module) -> int | None:
    for module in model.modules():
        table = getattr(module, "position_embeddings", None)
        if isinstance(table, torch.nn.Embedding):
            # RoBERTa and its kin number positions from just behind the padding id.
            offset = 0 if table.padding_idx is None else table.padding_idx + 1
            return table.num_embeddings - offset
    return None
