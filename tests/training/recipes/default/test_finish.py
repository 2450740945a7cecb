"""The last step of the recipe, and the lists of words that it uses."""

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from indexer.model import SparseModel
from indexer.model.source import find_model_directory
from tests.training.tiny_runs import sparse_model
from training.model.lexicon import teach
from training.model.loading import load_trainable
from training.model.saving import write_model
from training.recipes.default.alignment import words
from training.recipes.default.finish import main
from training.recipes.default.sources import Wish, read_weak_words, read_words


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    (tmp_path / "trained").mkdir()
    model = sparse_model(tmp_path / "start")
    with torch.no_grad():
        model.projection.bias.add_(1.0)
    write_model(model, tmp_path / "trained")
    return tmp_path / "trained"


def finish(trained: Path, output: Path, start: str = "start") -> Result:
    arguments = ["--model", trained, "--start", trained.parent / start, "--output", output]
    return CliRunner().invoke(main, [str(each) for each in arguments])


def test_words_are_as_the_tokenizer_sees_them_and_mean_something() -> None:
    lexicon = read_words()
    assert len(lexicon) > 13_000
    for word, translations in lexicon.items():
        assert words(word) == [word]
        assert translations
        assert all(each.strip() == each and each for each in translations), word
        assert len(set(translations)) == len(translations), word
        assert word not in translations


@pytest.mark.filterwarnings("ignore:not taught")
def test_the_step_writes_a_model_that_knows_the_words(tmp_path: Path, trained: Path) -> None:
    output = tmp_path / "taught"
    result = finish(trained, output)
    assert result.exit_code == 0, result.output
    model = load_trainable(str(output))
    assert model.expansion is not None
    assert model.expansion.limit == 200
    vocabulary = model.tokenizer.get_vocab()
    known = teach(load_trainable(str(trained)), read_words()).expansion
    assert known is not None
    assert model.expansion.weights.nnz > known.weights.nnz  # what terms are called is there too
    assert f"{known.words:,} of {len(read_words()):,} words" in result.output
    assert f"with those that terms name {model.expansion.words:,} words" in result.output
    assert "guardaescobas" not in load_trainable(str(trained)).tokenizer.get_vocab()
    assert "guardaescoba" in vocabulary or "guardaescobas" in vocabulary
    assert SparseModel.load(output).vocabulary_size == len(vocabulary)


def test_weak_words_are_words_as_the_tokenizer_sees_them() -> None:
    weak = read_weak_words()
    assert {"cortar", "colgar", "color", "marca", "pieza", "superficie", "debajo"} <= weak
    assert all(words(word) == [word] for word in weak)


@pytest.mark.filterwarnings("ignore:not taught")
def test_weak_words_small_words_and_pieces_have_their_shares_and_all_others_the_whole(
    tmp_path: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = "training.recipes.default.finish."
    monkeypatch.setattr(place + "read_weak_words", lambda: ["Queen", "case queen"])
    monkeypatch.setattr(place + "_SMALL_WORDS", ["phone"])
    assert finish(trained, tmp_path / "done").exit_code == 0
    done = load_trainable(str(tmp_path / "done"))
    before = teach(load_trainable(str(trained)), read_words()).final_query_weights()
    entries = done.tokenizer.convert_ids_to_tokens(range(len(before)))
    assert any(entry.startswith("##") for entry in entries)
    shares = {"queen": 0.4, "phone": 0.5}
    for entry, old, new in zip(entries, before, done.final_query_weights(), strict=True):
        share = 0.5 if entry.startswith("##") else shares.get(entry, 1.0)
        assert old > 0
        assert new.item() == pytest.approx(share * old.item()), entry


def test_words_have_priorities_by_how_many_wishes_ask_for_them(
    tmp_path: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["queen queen case", "queen", "¿Phone?", "de de", ""]
    wish = Wish(english=("case",), keywords=tuple(asked[:1]), questions=tuple(asked[1:]), title="")
    monkeypatch.setattr("training.recipes.default.finish.read_wishes", lambda: [wish])
    assert finish(trained, tmp_path / "done").exit_code == 0
    done = load_trainable(str(tmp_path / "done"))
    assert done.expansion is not None and done.expansion.priorities is not None
    held = {"queen": 2, "case": 1, "phone": 1}
    for word, entry in done.tokenizer.get_vocab().items():
        if word.isalpha():
            expected = (1 + held.get(word, 0)) ** 0.2
            assert done.expansion.priorities[entry] == pytest.approx(expected), word


def test_the_encoder_goes_a_fifth_of_the_way_back_to_its_start(
    tmp_path: Path, trained: Path
) -> None:
    assert finish(trained, tmp_path / "done").exit_code == 0
    start, learned, done = (
        load_trainable(str(tmp_path / name)).projection.bias
        for name in ("start", "trained", "done")
    )
    expected = 0.8 * learned + 0.2 * start
    assert done[: len(start)].tolist() == pytest.approx(expected.tolist(), abs=2e-3)


def test_another_model_as_the_start_is_refused(tmp_path: Path, trained: Path) -> None:
    _, default = find_model_directory("default")
    result = finish(trained, tmp_path / "done", start=str(default))
    assert result.exit_code == 2
    assert "is not what the model was trained from" in result.output
    assert not (tmp_path / "done").exists()


def test_a_finished_model_is_not_finished_again(tmp_path: Path, trained: Path) -> None:
    assert finish(trained, tmp_path / "done").exit_code == 0
    result = finish(tmp_path / "done", tmp_path / "twice")
    assert result.exit_code == 2
    assert "finished already" in result.output


def test_an_output_that_cannot_be_made_is_told(tmp_path: Path, trained: Path) -> None:
    (tmp_path / "file").touch()
    result = finish(trained, tmp_path / "file" / "x")
    assert result.exit_code == 1
    assert "cannot be written" in result.output


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path, trained: Path) -> None:
    before = (trained / "modules.json").read_bytes()
    result = finish(trained, trained)
    assert result.exit_code == 2
    assert "is there already" in result.output
    assert (trained / "modules.json").read_bytes() == before
