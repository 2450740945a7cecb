"""Saving in the layout of sentence-transformers 6, which `indexer` loads as well."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from engine.errors import UsageError
from training.model.quiet import quiet_transformers
from training.model.trainable import TrainableSparseModel

_QUERY = "query_0_SparseStaticEmbedding"
_DOCUMENT = "document_0_Transformer"
_POOLING = "document_1_SpladePooling"
_EXPANSION = "document_2_DocumentExpansion"
# The layout is that of this release, whether or not it is installed here.
_LAYOUT_VERSION = "6.2.0"
_LONGEST_QUERY = 512
_DTYPES = ("float32", "float16")


def write_model(
    model: TrainableSparseModel,
    directory: Path | str,
    *,
    dtype: str = "float32",
    max_active_dims: int | None = None,
) -> None:
    """Write the model's files into `directory`, which must be empty or not be there.

    `dtype`, "float32" or "float16", is that of the document encoder; static weights are float32.
    With `max_active_dims` the model keeps so many of the largest entries of a document. Raises
    `UsageError`, before anything is written, for a directory that holds something, another `dtype`
    and `max_active_dims` below 1.
    """
    directory = Path(directory)
    if dtype not in _DTYPES:
        raise UsageError(f"dtype is {dtype!r}: it must be {' or '.join(_DTYPES)}")
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"{directory} is a file: name a new folder for the model")
    if max_active_dims is not None and max_active_dims < 1:
        raise UsageError(f"max_active_dims is {max_active_dims}: it must be 1 or more, or None")
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise UsageError(f"{directory} is not empty: name a new folder for the model")
    _write_json(
        directory / "modules.json",
        [{"idx": 0, "name": "0", "path": "", "type": _module("base", "router", "Router")}],
    )
    _write_json(directory / "router_config.json", _router(expansion=model.expansion is not None))
    settings: dict[str, Any] = {
        "__version__": {
            "pytorch": torch.__version__,
            "sentence_transformers": _LAYOUT_VERSION,
            "transformers": _version("transformers"),
        },
        "default_prompt_name": None,
        "model_type": "SparseEncoder",
        "prompts": {"document": model.prompts.document, "query": model.prompts.query},
        "similarity_fn_name": "dot",
    }
    if max_active_dims is not None:
        settings["max_active_dims"] = max_active_dims
    _write_json(directory / "config_sentence_transformers.json", settings)
    _write_query_side(model, directory / _QUERY)
    _write_document_side(model, directory / _DOCUMENT, dtype)
    (directory / _POOLING).mkdir()
    _write_json(
        directory / _POOLING / "config.json",
        {
            "pooling_strategy": "max",
            "activation_function": "log1p_relu" if model.double_log else "relu",
            "embedding_dimension": None,
        },
    )
    if model.expansion is not None:
        (directory / _EXPANSION).mkdir()
        replace(model.expansion, limit=max_active_dims).write(directory / _EXPANSION)


def _write_query_side(model: TrainableSparseModel, directory: Path) -> None:
    directory.mkdir()
    _write_json(directory / "config.json", {"frozen": False})
    weights = model.final_query_weights().float().cpu().contiguous()
    save_file({"weight": weights}, directory / "model.safetensors")
    # sentence-transformers would cut queries at this length; we never cut them.
    _write_tokenizer(model, directory, max(model.max_length, _LONGEST_QUERY))


def _write_document_side(model: TrainableSparseModel, directory: Path, dtype: str) -> None:
    directory.mkdir()
    with model.whole() as masked_lm, torch.no_grad():
        saved = copy.deepcopy(masked_lm).cpu().to(getattr(torch, dtype)).eval()
    # Dropout may have been changed for training; what it is on disk has no effect on vectors.
    saved.config.dtype = getattr(torch, dtype)
    with quiet_transformers():
        saved.save_pretrained(str(directory))
    (directory / "generation_config.json").unlink(missing_ok=True)
    _write_tokenizer(model, directory, model.max_length)
    _write_json(
        directory / "sentence_bert_config.json",
        {
            "transformer_task": "fill-mask",
            "modality_config": {"text": {"method": "forward", "method_output_name": "logits"}},
            "module_output_name": "token_embeddings",
        },
    )


def _write_tokenizer(model: TrainableSparseModel, directory: Path, max_length: int) -> None:
    tokenizer = copy.deepcopy(model.tokenizer)
    tokenizer.model_max_length = max_length
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.save_pretrained(str(directory))


def _router(*, expansion: bool) -> dict[str, Any]:
    document = [_DOCUMENT, _POOLING]
    types = {
        _QUERY: _module("sparse_encoder", "sparse_static_embedding", "SparseStaticEmbedding"),
        _DOCUMENT: _module("base", "transformer", "Transformer"),
        _POOLING: _module("sparse_encoder", "splade_pooling", "SpladePooling"),
    }
    if expansion:
        document.append(_EXPANSION)
        types[_EXPANSION] = "indexer.model.expansion_module.DocumentExpansionModule"
    return {
        "types": types,
        "structure": {"query": [_QUERY], "document": document},
        "parameters": {
            "default_route": "document",
            "allow_empty_key": True,
            "route_mappings": {},
        },
    }


def _module(package: str, module: str, name: str) -> str:
    return f"sentence_transformers.{package}.modules.{module}.{name}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=4, ensure_ascii=False), encoding="utf-8")
