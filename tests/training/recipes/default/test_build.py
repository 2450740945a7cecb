"""The whole build, from sources and a backbone in small to texts, starting model and recipe."""

import gzip
import hashlib
import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from tokenizers import Tokenizer
from transformers import AutoModelForMaskedLM, BertConfig, BertModel

from tests.indexer.model.tiny_models import VOCABULARY, save_tokenizer
from tests.training.recipes.default.public_sources import write_sources
from training.recipe_file import read_recipe
from training.recipes.default.__main__ import main

WORDS = 50


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backbone")
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=256,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    save_tokenizer(folder, max_length=256, truncating=True)
    return folder


def build(sources: Path, backbone: Path, output: Path) -> str:
    arguments = ["--data", sources, "--wordnet", sources / "wordnet", "--backbone", backbone]
    arguments += ["--words", WORDS, "--output", output]
    result = CliRunner().invoke(main, [str(each) for each in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, backbone: Path) -> Path:
    sources = write_sources(tmp_path_factory.mktemp("sources"))
    output = tmp_path_factory.mktemp("built")
    assert "engine train --recipe" in build(sources, backbone, output)
    return output


def test_a_folder_without_a_model_is_refused_before_any_work(tmp_path: Path) -> None:
    sources = write_sources(tmp_path / "sources")
    arguments = ["--data", sources, "--wordnet", sources / "wordnet", "--backbone", tmp_path]
    result = CliRunner().invoke(
        main, [str(each) for each in [*arguments, "--output", tmp_path / "o"]]
    )
    assert result.exit_code == 2
    assert "holds no model" in result.output
    assert not (tmp_path / "o").exists()


def read_pairs(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def test_recipe_reads_and_all_its_sources_hold_pairs(built: Path) -> None:
    recipe = read_recipe(built / "recipe.toml")
    assert Path(recipe.model) == built / "start"
    paths = [Path(path) for source in recipe.sources for path in source.paths]
    assert sum(source.weight for source in recipe.sources) == recipe.batch_size
    for path in paths:
        for pair in read_pairs(path):
            assert set(pair) <= {"query", "document", "key", "teacher_query"}
            assert pair["query"].strip()
            assert pair["document"].strip()
    assert {path.name for path in paths} == {path.name for path in built.glob("*.jsonl.gz")}


def test_starting_model_has_the_spanish_words_as_whole_tokens(built: Path) -> None:
    tokenizer = Tokenizer.from_file(str(built / "start" / "tokenizer.json"))
    model = AutoModelForMaskedLM.from_pretrained(built / "start")
    size = len(VOCABULARY) + WORDS
    assert tokenizer.get_vocab_size() == model.config.vocab_size == size
    assert model.get_input_embeddings().weight.shape == (size, 16)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    added = [tokenizer.id_to_token(id) for id in range(len(VOCABULARY), size)]
    assert len(set(added)) == WORDS
    for word in added:
        assert tokenizer.encode(word, add_special_tokens=False).tokens == [word]
    assert tokenizer.encode("sábana", add_special_tokens=False).tokens == ["sabana"]


def test_same_inputs_give_the_same_bytes(built: Path, backbone: Path, tmp_path: Path) -> None:
    build(write_sources(tmp_path / "sources"), backbone, tmp_path / "again")

    def digests(folder: Path) -> dict[str, str]:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
        }

    assert digests(tmp_path / "again") == digests(built)
