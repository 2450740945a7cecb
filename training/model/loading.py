"""Where training starts: any of three kinds of model on disk, brought to one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, AutoTokenizer

from engine.errors import ModelError
from indexer.model.expansion import read_expansion
from indexer.model.json_file import read_json_object
from indexer.model.layout import ModelLayout, read_layout
from indexer.model.source import find_model_directory
from indexer.model.static_weights import read_static_weights
from training.model.quiet import quiet_transformers
from training.model.trainable import Prompts, TrainableSparseModel

_TOKENIZER_FILES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "sentencepiece.bpe.model",
)


def load_trainable(name_or_path: str, *, max_length: int = 256) -> TrainableSparseModel:
    """Load a model to train, in float32 on the CPU.

    `name_or_path` is a folder, a name on the hub or "default", and holds an inference-free SPLADE
    model, a masked language model (all static weights are 1 then) or a plain BERT encoder (which
    gets a head, see `training.model.starting_point`). `max_length` is the longest document in
    tokens, lowered to what the model can tell apart. Raises `ModelError` if it is none of these.
    """
    _, directory = find_model_directory(name_or_path)
    if _is_sparse(directory):
        return _from_sparse(read_layout(directory), max_length)
    directory = transformer_directory(directory)
    masked_lm = _masked_lm(directory)
    tokenizer = _tokenizer(directory)
    _check_vocabulary(tokenizer, masked_lm, directory)
    weights = torch.ones(masked_lm.config.vocab_size)
    return TrainableSparseModel(
        masked_lm, tokenizer, weights, max_length=_longest(masked_lm, max_length)
    )


def _from_sparse(layout: ModelLayout, max_length: int) -> TrainableSparseModel:
    if layout.pooling.strategy != "max":
        raise ModelError("only models with max pooling can be trained; this one sums over tokens")
    masked_lm = _masked_lm(layout.document_directory)
    tokenizer = _tokenizer(layout.document_directory)
    _check_vocabulary(tokenizer, masked_lm, layout.document_directory)
    weights = read_static_weights(
        layout.static_weights, tokenizer.backend_tokenizer, masked_lm.config.vocab_size
    )
    model = TrainableSparseModel(
        masked_lm,
        tokenizer,
        torch.from_numpy(weights),
        max_length=_longest(masked_lm, max_length),
        prompts=Prompts(layout.query_prompt, layout.document_prompt),
        double_log=layout.pooling.activation == "log1p_relu",
    )
    if layout.expansion is not None:
        model.expansion = read_expansion(layout.expansion, model.vocabulary_size)
    return model


def _is_sparse(directory: Path) -> bool:
    if (directory / "router_config.json").is_file() or (directory / "idf.json").is_file():
        return True
    modules = directory / "modules.json"
    return modules.is_file() and "Router" in modules.read_text(encoding="utf-8", errors="replace")


def transformer_directory(directory: Path) -> Path:
    """Return the folder of the transformer: sentence-transformers may keep it in a module's."""
    for candidate in (directory, directory / "0_Transformer", directory / "0_MLMTransformer"):
        if (candidate / "config.json").is_file():
            return candidate
    raise ModelError(
        f"{directory / 'config.json'} is missing: this is no model of transformers or "
        "sentence-transformers; give the folder of one"
    )


def load_encoder(directory: Path) -> tuple[Any, Any]:
    """Load the transformer (without any head) and the tokenizer of a folder, in float32."""
    read_json_object(directory / "config.json")
    encoder, missing = _load(AutoModel, directory, add_pooling_layer=False)
    if missing:
        raise ModelError(f"{directory} lacks {missing[0]}: it is no complete encoder")
    return encoder.float(), _tokenizer(directory)


def _masked_lm(directory: Path) -> Any:
    read_json_object(directory / "config.json")
    if not list(directory.glob("*.safetensors")):
        raise ModelError(
            f"{directory / 'model.safetensors'} is missing (weights are read from safetensors "
            "only, never from a pickle)"
        )
    model, missing = _load(AutoModelForMaskedLM, directory)
    if not missing:
        return model.float()
    encoder, of_encoder = _load(AutoModel, directory, add_pooling_layer=False)
    if of_encoder or encoder.config.model_type != "bert":
        raise ModelError(
            f"{directory} lacks {missing[0]} ({len(missing)} tensors in all): it is neither a "
            "complete masked language model nor a plain BERT encoder"
        )
    from training.model.starting_point import add_head

    return add_head(encoder.float())


def _load(kind: Any, directory: Path, **settings: Any) -> tuple[Any, list[str]]:
    try:
        if settings and AutoConfig.from_pretrained(str(directory)).model_type != "bert":
            settings = {}
        with quiet_transformers():
            model, report = kind.from_pretrained(
                str(directory),
                local_files_only=True,
                use_safetensors=True,
                output_loading_info=True,
                dtype=torch.float32,
                **settings,
            )
    except Exception as error:  # the library raises anything from OSError to RuntimeError here
        reason = (str(error) or type(error).__name__).strip().splitlines()[0][:200]
        raise ModelError(f"{directory} cannot be loaded ({reason})") from error
    return model, sorted(map(str, [*report["missing_keys"], *report["mismatched_keys"]]))


def _tokenizer(directory: Path) -> Any:
    # Without any of them the library would make up a tokenizer that knows no word.
    if not any((directory / name).is_file() for name in _TOKENIZER_FILES):
        raise ModelError(f"{directory / 'tokenizer.json'} is missing: the model is incomplete")
    try:
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(str(directory), local_files_only=True)
        json.loads(tokenizer.backend_tokenizer.to_str())
    except Exception as error:  # the library raises anything from OSError to KeyError here
        reason = (str(error) or type(error).__name__).strip().splitlines()[0][:200]
        raise ModelError(f"no tokenizer can be read from {directory} ({reason})") from error
    return tokenizer


def _check_vocabulary(tokenizer: Any, masked_lm: Any, directory: Path) -> None:
    highest = max(tokenizer.get_vocab().values(), default=-1)
    if highest >= masked_lm.config.vocab_size:
        raise ModelError(
            f"the tokenizer in {directory} has token ids up to {highest}, the model only "
            f"{masked_lm.config.vocab_size} outputs: they do not belong together"
        )


def _longest(masked_lm: Any, max_length: int) -> int:
    for module in masked_lm.modules():
        table = getattr(module, "position_embeddings", None)
        if isinstance(table, torch.nn.Embedding):
            offset = 0 if table.padding_idx is None else table.padding_idx + 1
            return min(max_length, table.num_embeddings - offset)
    return max_length
