"""The lexicon of the recipe, and the step that teaches it to a trained model."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from indexer.model import SparseModel
from tests.training.tiny_runs import sparse_model
from training.model.loading import load_trainable
from training.model.saving import write_model
from training.recipes.default.alignment import words
from training.recipes.default.lexicon import main
from training.recipes.default.sources import read_verbs, read_words


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    (tmp_path / "trained").mkdir()
    write_model(sparse_model(tmp_path / "start"), tmp_path / "trained")
    return tmp_path / "trained"


def test_words_are_as_the_tokenizer_sees_them_and_mean_something() -> None:
    lexicon = read_words()
    assert len(lexicon) > 9000
    for word, translations in lexicon.items():
        assert words(word) == [word]
        assert translations
        assert all(each.strip() == each and each for each in translations), word
        assert len(set(translations)) == len(translations), word
        assert word not in translations


def test_the_step_writes_a_model_that_knows_the_words(tmp_path: Path, trained: Path) -> None:
    output = tmp_path / "taught"
    result = CliRunner().invoke(main, ["--model", str(trained), "--output", str(output)])
    assert result.exit_code == 0, result.output
    model = load_trainable(str(output))
    assert model.expansion is not None
    assert model.expansion.limit == 200
    vocabulary = model.tokenizer.get_vocab()
    assert "guardaescobas" not in load_trainable(str(trained)).tokenizer.get_vocab()
    assert "guardaescoba" in vocabulary or "guardaescobas" in vocabulary
    assert SparseModel.load(output).vocabulary_size == len(vocabulary)


def test_verbs_are_words_as_the_tokenizer_sees_them() -> None:
    verbs = read_verbs()
    assert {"cortar", "colgar"} <= verbs
    assert all(words(verb) == [verb] for verb in verbs)


def test_verbs_lose_a_part_of_their_weight_and_nothing_else_does(
    tmp_path: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught = {}
    for name, verbs in (("whole", ()), ("weak", ("Queen", "case queen"))):
        monkeypatch.setattr("training.recipes.default.lexicon.read_verbs", lambda v=verbs: v)
        arguments = ["--model", str(trained), "--output", str(tmp_path / name)]
        assert CliRunner().invoke(main, arguments).exit_code == 0
        taught[name] = load_trainable(str(tmp_path / name))
    whole, weak = (taught[name].final_query_weights() for name in ("whole", "weak"))
    queen = taught["weak"].tokenizer.get_vocab()["queen"]
    assert weak[queen] == pytest.approx(0.6 * whole[queen])
    others = [at for at in range(len(whole)) if at != queen]
    assert weak[others].tolist() == whole[others].tolist()


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path, trained: Path) -> None:
    before = (trained / "modules.json").read_bytes()
    result = CliRunner().invoke(main, ["--model", str(trained), "--output", str(trained)])
    assert result.exit_code == 2
    assert "is there already" in result.output
    assert (trained / "modules.json").read_bytes() == before
