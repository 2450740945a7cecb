"""Missing, damaged and foreign models: one line that names the file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.errors import ModelError
from indexer.model import SparseModel
from tests.indexer.model.tiny_models import VOCABULARY, write_json, write_model

QUERY = "query_0_SparseStaticEmbedding"
DOCUMENT = "document_0_Transformer"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("sound") / "model")


@pytest.fixture
def root(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "model"))


def error_of(path: Path | str) -> str:
    with pytest.raises(ModelError) as caught:
        SparseModel.load(path)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    "name",
    [
        "router_config.json",
        f"{QUERY}/model.safetensors",
        f"{QUERY}/tokenizer.json",
        f"{DOCUMENT}/config.json",
        f"{DOCUMENT}/model.safetensors",
        "document_1_SpladePooling/config.json",
    ],
)
@pytest.mark.parametrize("damage", ["missing", "cut", "noise"])
def test_missing_and_damaged_files(root: Path, name: str, damage: str) -> None:
    path = root / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"\xff\x00noise")
    message = error_of(root)
    assert (path.parent.name if path.parent != root else path.name) in message


def weights_of_length(root: Path, length: int) -> None:
    save_file({"weight": torch.ones(length)}, str(root / QUERY / "model.safetensors"))


def weights_not_finite(root: Path) -> None:
    weights = torch.full((len(VOCABULARY),), float("nan"))
    save_file({"weight": weights}, str(root / QUERY / "model.safetensors"))


def weights_with_another_name(root: Path) -> None:
    save_file({"emb": torch.ones(len(VOCABULARY))}, str(root / QUERY / "model.safetensors"))


def document_tensor_missing(root: Path) -> None:
    path = root / DOCUMENT / "model.safetensors"
    tensors = load_file(path)
    del tensors["cls.predictions.transform.dense.weight"]
    save_file(tensors, str(path), metadata={"format": "pt"})


def document_vocabulary_smaller(root: Path) -> None:
    path = root / DOCUMENT / "config.json"
    config = json.loads(path.read_text())
    write_json(path, {**config, "vocab_size": config["vocab_size"] - 3})


def dense_task(root: Path) -> None:
    write_json(root / DOCUMENT / "sentence_bert_config.json", {"max_seq_length": 16})


def route_leaves_the_model(root: Path) -> None:
    text = (root / "router_config.json").read_text()
    (root / "router_config.json").write_text(text.replace(QUERY, "../elsewhere"))


def queries_need_the_network(root: Path) -> None:
    path = root / "router_config.json"
    config = json.loads(path.read_text())
    config["structure"]["query"] = config["structure"]["document"]
    write_json(path, config)


def no_query_route(root: Path) -> None:
    path = root / "router_config.json"
    config = json.loads(path.read_text())
    del config["structure"]["query"]
    write_json(path, config)


def dense_modules(root: Path) -> None:
    kinds = ["Transformer", "Pooling", "Normalize"]
    write_json(root / "modules.json", [{"path": "", "type": f"st.{kind}"} for kind in kinds])


def unknown_pooling(root: Path) -> None:
    write_json(root / "document_1_SpladePooling" / "config.json", {"pooling_strategy": "mean"})


def unknown_activation(root: Path) -> None:
    write_json(root / "document_1_SpladePooling" / "config.json", {"activation_function": "gelu"})


def no_sense_in_length(root: Path) -> None:
    path = root / DOCUMENT / "sentence_bert_config.json"
    write_json(path, {**json.loads(path.read_text()), "max_seq_length": "long"})


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda root: weights_of_length(root, len(VOCABULARY) - 1), "do not belong together"),
        (lambda root: weights_of_length(root, len(VOCABULARY) + 1), "do not belong together"),
        (weights_not_finite, "not finite"),
        (weights_with_another_name, "'weight'"),
        (document_tensor_missing, "cls.predictions.transform.dense.weight"),
        (document_vocabulary_smaller, DOCUMENT),
        (dense_task, "not a SPLADE model"),
        (route_leaves_the_model, "outside the model"),
        (queries_need_the_network, "not an inference-free SPLADE model"),
        (no_query_route, "not an inference-free SPLADE model"),
        (dense_modules, "Transformer + Pooling + Normalize"),
        (unknown_pooling, "pooling_strategy 'mean'"),
        (unknown_activation, "activation_function 'gelu'"),
        (no_sense_in_length, "maximum length"),
    ],
)
def test_models_that_cannot_be_used(root: Path, spoil: Callable[[Path], None], says: str) -> None:
    spoil(root)
    assert says in error_of(root)


def test_a_pickle_is_not_read(root: Path) -> None:
    for folder in (QUERY, DOCUMENT):
        path = root / folder / "model.safetensors"
        path.rename(path.with_name("pytorch_model.bin"))
        assert "never from a pickle" in error_of(root)


def test_idf_of_another_tokenizer(tmp_path: Path) -> None:
    root = write_model(tmp_path / "model", "opensearch")
    write_json(root / "idf.json", {"unheard": 1.0})
    assert "knows no token" in error_of(root)
    write_json(root / "idf.json", {"queen": "heavy"})
    assert "'queen'" in error_of(root)


def test_no_model_there(tmp_path: Path) -> None:
    assert "neither modules.json nor idf.json" in error_of(tmp_path)
    assert "leave --model out" in error_of(tmp_path / "nothing")
    assert "leave --model out" in error_of("./nothing")
    (tmp_path / "file").write_text("")
    assert "is a file" in error_of(tmp_path / "file")


def test_hub_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    asked: dict[str, object] = {}

    def fail(name: str, **options: object) -> str:
        asked.update(options, name=name)
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    message = error_of("someone/some-model")
    assert "'someone/some-model'" in message
    assert "leave --model out" in message
    assert asked["allow_patterns"] == ["*.json", "*.txt", "*.safetensors"]
