"""The on-disk forms of an inference-free SPLADE model, brought to one description.

Four forms exist: sentence-transformers 5.x and 6.x (a `Router` with a static query side and a
masked language model with `SpladePooling` on the document side; 6.x renamed the transformer module
and says `"transformer_task": "fill-mask"`), older ones whose query side is called `IDF`, and
OpenSearch document-only models: `idf.json` beside a plain masked language model. Models of ours may
have a document expansion behind the pooling.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from engine.errors import ModelError
from indexer.model.json_file import read_json, read_json_object, read_optional_json_object
from indexer.model.pooling import PoolingConfig

_ROUTERS = {"Router", "Asym"}
_STATIC_QUERY = {"SparseStaticEmbedding", "IDF"}
EXPANSION = "DocumentExpansionModule"
_DOCUMENT_TRANSFORMERS = {"Transformer", "MLMTransformer"}
_TRANSFORMER_CONFIGS = (
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
)


@dataclass(frozen=True)
class ModelLayout:
    """Which files of a model directory play which part.

    `static_weights` is a safetensors file with `weight`, or a JSON object token -> weight.
    `transformer_config` is the content of `sentence_bert_config.json` (empty if there is none).
    `expansion` is the folder of the document expansion, None for most models.
    """

    query_directory: Path
    static_weights: Path
    document_directory: Path
    transformer_config: dict[str, Any]
    pooling: PoolingConfig
    query_prompt: str
    document_prompt: str
    max_active_dims: int | None
    expansion: Path | None = None


def read_layout(root: Path) -> ModelLayout:
    """Find the parts of the model in `root`; raises `ModelError` if it is of another kind."""
    if (root / "modules.json").is_file():
        base = _router_directory(root)
    elif (root / "router_config.json").is_file():
        base = root
    elif (root / "idf.json").is_file():
        return _opensearch_layout(root)
    else:
        raise ModelError(
            f"{root} holds no inference-free SPLADE model: it has neither modules.json "
            "nor idf.json; give the directory of such a model"
        )
    return _router_layout(root, base)


def _router_directory(root: Path) -> Path:
    path = root / "modules.json"
    modules = read_json(path)
    if not isinstance(modules, list) or not all(isinstance(m, dict) for m in modules):
        raise ModelError(f"{path} holds no list of modules: the model is damaged, copy it again")
    names = [_class_name(module.get("type", "")) for module in modules]
    if len(names) != 1 or names[0] not in _ROUTERS:
        raise ModelError(
            f"{path} describes {' + '.join(names) or 'nothing'}: this is not an inference-free "
            "SPLADE model (a Router with a static query side); give another model"
        )
    return _inside(root, str(modules[0].get("path", "")), path)


def _router_layout(root: Path, base: Path) -> ModelLayout:
    path = base / "router_config.json"
    if not path.is_file() and (base / "config.json").is_file():
        path = base / "config.json"  # the name that the first routers used
    config = read_json_object(path)
    query = _route(config, "query", path)
    document = _route(config, "document", path)

    if len(query) != 1 or query[0][1] not in _STATIC_QUERY:
        found = " + ".join(kind for _, kind in query)
        raise ModelError(
            f"{path} encodes queries with {found}: this is not an inference-free SPLADE model "
            "(queries must be static weights alone); give another model"
        )
    kinds = [kind for _, kind in document]
    if (
        kinds[0] not in _DOCUMENT_TRANSFORMERS
        or kinds[1:2] != ["SpladePooling"]
        or kinds[2:] not in ([], [EXPANSION])
    ):
        raise ModelError(
            f"{path} encodes documents with {' + '.join(kinds)}: this is not a SPLADE model "
            "(a masked language model and SpladePooling); give another model"
        )
    query_directory = _inside(base, query[0][0], path)
    document_directory = _inside(base, document[0][0], path)
    transformer_config = _read_transformer_config(document_directory)
    default_task = "fill-mask" if kinds[0] == "MLMTransformer" else "feature-extraction"
    task = transformer_config.get("transformer_task", default_task)
    if task != "fill-mask":
        raise ModelError(
            f"{document_directory} is a transformer for {task!r}: this is not a SPLADE model "
            "(its task must be 'fill-mask'); give another model"
        )
    pooling = PoolingConfig.read(_inside(base, document[1][0], path) / "config.json")
    settings = read_optional_json_object(root / "config_sentence_transformers.json")
    return ModelLayout(
        query_directory=query_directory,
        static_weights=_static_weights_file(query_directory, base),
        document_directory=document_directory,
        transformer_config=transformer_config,
        pooling=pooling,
        query_prompt=_prompt(settings, "query"),
        document_prompt=_prompt(settings, "document"),
        max_active_dims=_max_active_dims(settings, root),
        expansion=_inside(base, document[2][0], path) if len(document) > 2 else None,
    )


def _max_active_dims(settings: dict[str, Any], root: Path) -> int | None:
    value = settings.get("max_active_dims")
    if value is None or (type(value) is int and value > 0):
        return value
    raise ModelError(
        f"{root / 'config_sentence_transformers.json'}: max_active_dims is {value!r}; it must be "
        "a whole number of at least 1, or null"
    )


def _opensearch_layout(root: Path) -> ModelLayout:
    # Nothing in this form states the activation, so a pooling folder is honoured if there is one.
    pooling_file = root / "document_1_SpladePooling" / "config.json"
    return ModelLayout(
        query_directory=root,
        static_weights=root / "idf.json",
        document_directory=root,
        transformer_config=_read_transformer_config(root),
        pooling=PoolingConfig.read(pooling_file) if pooling_file.is_file() else PoolingConfig(),
        query_prompt="",
        document_prompt="",
        max_active_dims=None,
    )


def _route(config: dict[str, Any], route: str, path: Path) -> list[tuple[str, str]]:
    """Return the `(folder, class name)` pairs of one route of a router."""
    types, structure = config.get("types"), config.get("structure")
    if not isinstance(types, dict) or not isinstance(structure, dict):
        raise ModelError(f"{path} has no types and structure: the model is damaged, copy it again")
    folders = structure.get(route)
    if not isinstance(folders, list) or not folders:
        raise ModelError(
            f"{path} has no {route!r} route: this is not an inference-free SPLADE model; "
            "give another model"
        )
    unknown = [folder for folder in folders if folder not in types]
    if unknown:
        raise ModelError(f"{path} gives no type for {unknown[0]!r}: the model is damaged")
    return [(folder, _class_name(types[folder])) for folder in folders]


def _static_weights_file(query_directory: Path, base: Path) -> Path:
    config = read_optional_json_object(query_directory / "config.json")
    named = config.get("path")
    if isinstance(named, str) and named.endswith(".json"):
        # A saved path may be relative to either folder, or to where it was once trained.
        name = PurePosixPath(named).name
        for candidate in (query_directory / name, base / name):
            if candidate.is_file():
                return candidate
        raise ModelError(f"{query_directory / name} is missing: the model is incomplete")
    weights = query_directory / "model.safetensors"
    if weights.is_file():
        return weights
    for candidate in (query_directory / "idf.json", base / "idf.json"):
        if candidate.is_file():
            return candidate
    raise ModelError(
        f"{weights} is missing (weights are read from safetensors or idf.json, never from a "
        "pickle): the model is incomplete"
    )


def _read_transformer_config(directory: Path) -> dict[str, Any]:
    for name in _TRANSFORMER_CONFIGS:
        if (directory / name).is_file():
            return read_json_object(directory / name)
    return {}


def _prompt(settings: dict[str, Any], name: str) -> str:
    prompts = settings.get("prompts")
    prompt = prompts.get(name) if isinstance(prompts, dict) else None
    return prompt if isinstance(prompt, str) else ""


def _class_name(reference: object) -> str:
    return str(reference).rpartition(".")[2]


def _inside(base: Path, relative: str, source: Path) -> Path:
    """Return `base / relative`, refusing paths that leave the model's directory."""
    parts = PurePosixPath(relative.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts:
        raise ModelError(f"{source} points outside the model, at {relative!r}: do not use it")
    directory = base / parts
    if not directory.is_dir():
        raise ModelError(f"{directory} is missing: the model is incomplete, copy it again")
    return directory
