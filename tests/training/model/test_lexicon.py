from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.errors import ModelError, UsageError
from indexer.model import SparseModel
from tests.indexer.model.tiny_models import VOCABULARY
from tests.training.tiny_runs import PAIRS, sparse_model
from training.model.lexicon import Lexicon, teach
from training.model.loading import load_trainable
from training.model.saving import write_model
from training.model.trainable import TrainableSparseModel

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:sentence_transformers.*"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*"),
    pytest.mark.filterwarnings("ignore:Sparse.*tensor support is in beta:UserWarning"),
]
TEXTS = [text for _, text in PAIRS]
LEXICON = {
    "colcha": ("sheet", "queen sheet"),
    "algodon": ("cotton",),
    "sabanas": ("case",),
    "xyz": ("phone",),
}


def save(model: TrainableSparseModel, directory: Path) -> Path:
    directory.mkdir()
    write_model(model, directory)
    return directory


@pytest.fixture
def taught(tmp_path: Path) -> TrainableSparseModel:
    with pytest.warns(UserWarning, match=r"sabanas \(taken for a form of sabana\), xyz \(shorter"):
        return teach(sparse_model(tmp_path / "start"), LEXICON)


def shares(model: TrainableSparseModel) -> dict[str, dict[tuple[str, ...], float]]:
    """What each word takes, by the words of what gives it."""
    assert model.expansion is not None
    token = model.tokenizer.convert_ids_to_tokens
    entries = model.expansion.weights.tocoo()
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for row, column, share in zip(entries.row, entries.col, entries.data, strict=True):
        phrase = row - model.vocabulary_size
        giver = [row] if phrase < 0 else set(model.expansion.phrases[phrase].tolist())
        names = tuple(sorted(token([int(each) for each in giver])))
        found.setdefault(token(int(column)), {})[names] = round(float(share), 6)
    return found


def vector(model: SparseModel, text: str) -> dict[str, float]:
    row = model.encode_document([text])
    return {
        model.token(int(at)): float(value) for at, value in zip(row.indices, row.data, strict=True)
    }


def test_known_words_take_their_share_of_what_their_translations_have(
    tmp_path: Path, taught: TrainableSparseModel
) -> None:
    plain = SparseModel.load(
        save(sparse_model(tmp_path / "again"), tmp_path / "plain"), dtype="float32"
    )
    model = SparseModel.load(save(taught, tmp_path / "taught"), dtype="float32")
    compared = 0
    for text in TEXTS:
        before, after = vector(plain, text), vector(model, text)
        cotton = before.get("cotton", 0.0)
        expected = np.log1p(np.expm1(before.get("algodon", 0.0)) + np.expm1(cotton))
        assert after.get("algodon", 0.0) == pytest.approx(expected, rel=1e-4)
        compared += cotton > 0
    assert compared


def test_a_word_that_was_split_joins_the_vocabulary(
    tmp_path: Path, taught: TrainableSparseModel
) -> None:
    assert taught.vocabulary_size == len(VOCABULARY) + 1
    assert taught.query_tokens(["colcha"])[0].tolist() == [len(VOCABULARY)]
    model = SparseModel.load(save(taught, tmp_path / "taught"), dtype="float32")
    weight = model.static_weights
    sheet, queen = weight[VOCABULARY.index("sheet")], weight[VOCABULARY.index("queen")]
    # The second translation counts 0.7 times as much, but a phrase half as much again.
    heaviest = (sheet + 1.05 * max(sheet, queen)) / 2.05
    assert weight[-1] == pytest.approx(heaviest, rel=1e-4)
    plain = sparse_model(tmp_path / "again")
    with torch.no_grad():
        entries = plain.activate(plain.document_logits(plain.document_tokens(TEXTS))).numpy()
    sheets = np.expm1(entries[:, VOCABULARY.index("sheet")])
    queens = np.expm1(entries[:, VOCABULARY.index("queen")])
    with torch.no_grad():
        own = taught.activate(taught.document_logits(taught.document_tokens(TEXTS))).numpy()
    found = model.encode_document(TEXTS).toarray()[:, -1]
    handed_on = sheets + 1.05 * np.minimum(sheets, queens)
    expected = np.log1p(np.expm1(own[:, -1]) + handed_on)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert handed_on.any()


def test_short_words_and_forms_of_an_entry_are_left_as_they_are(
    taught: TrainableSparseModel,
) -> None:
    assert "sabanas" not in taught.tokenizer.get_vocab()
    assert "xyz" not in taught.tokenizer.get_vocab()
    assert taught.expansion is not None
    targets = set(taught.expansion.weights.tocoo().col.tolist())
    assert targets == {len(VOCABULARY), VOCABULARY.index("algodon")}


def test_what_was_there_is_untouched(tmp_path: Path, taught: TrainableSparseModel) -> None:
    plain = sparse_model(tmp_path / "again")
    ids = plain.document_tokens(TEXTS)
    with torch.no_grad():
        before, after = plain.document_logits(ids), taught.document_logits(ids)
        assert torch.equal(before, after[:, : plain.vocabulary_size])
        assert torch.equal(
            plain.final_query_weights(), taught.final_query_weights()[: plain.vocabulary_size]
        )


def test_sentence_transformers_gives_the_same_numbers(
    tmp_path: Path, taught: TrainableSparseModel
) -> None:
    from sentence_transformers import SparseEncoder

    saved = save(taught, tmp_path / "taught")
    ours = SparseModel.load(saved, dtype="float32")
    theirs: Any = SparseEncoder(
        str(saved), device="cpu", trust_remote_code=True, model_kwargs={"dtype": "float32"}
    )
    found = theirs.encode_document(TEXTS, convert_to_sparse_tensor=False).numpy()
    np.testing.assert_allclose(found, ours.encode_document(TEXTS).toarray(), atol=1e-4)
    queries = theirs.encode_query(["colcha queen"], convert_to_sparse_tensor=False).numpy()
    np.testing.assert_allclose(queries, ours.encode_query(["colcha queen"]).toarray(), atol=1e-5)


def test_a_taught_model_keeps_its_expansion(tmp_path: Path, taught: TrainableSparseModel) -> None:
    loaded = load_trainable(str(save(taught, tmp_path / "taught")))
    assert loaded.expansion is not None and taught.expansion is not None
    assert loaded.expansion.digest == taught.expansion.digest
    with torch.no_grad():
        loaded.static_weights[0] += 1
    again = load_trainable(str(save(loaded, tmp_path / "again")))
    assert again.expansion is not None
    assert again.expansion.digest == taught.expansion.digest


def test_what_was_taught_earlier_stays_unless_it_is_taught_anew(
    tmp_path: Path, taught: TrainableSparseModel
) -> None:
    again = load_trainable(str(save(taught, tmp_path / "taught")))
    again = teach(again, {"algodon": ("queen",), "manzana": ("case",)})
    assert again.expansion is not None and taught.expansion is not None
    before, after = shares(taught), shares(again)
    assert before["colcha"] == after["colcha"] == {("sheet",): 1.0, ("queen", "sheet"): 1.05}
    assert after["algodon"] == {("queen",): 1.0}
    assert after["manzana"] == {("case",): 1.0}


def test_words_may_be_written_as_people_write_them(tmp_path: Path) -> None:
    model = teach(sparse_model(tmp_path / "start"), {"Algodón": ["Cotton"], "COLCHA": ["sheet"]})
    assert model.expansion is not None
    targets = set(model.expansion.weights.tocoo().col.tolist())
    assert targets == {len(VOCABULARY), VOCABULARY.index("algodon")}
    assert model.query_tokens(["colcha"])[0].tolist() == [len(VOCABULARY)]


def test_translations_that_the_model_does_not_know_say_nothing(tmp_path: Path) -> None:
    lexicon = {"algodon": ["\u4e00", "cotton", ""], "sabana": ["\u4e00"], "colcha": [""]}
    with pytest.warns(UserWarning, match=r"not taught: colcha \(no trans.*\), sabana \(no trans"):
        model = teach(sparse_model(tmp_path / "start"), lexicon)
    assert model.expansion is not None
    entries = model.expansion.weights.tocoo()
    found = [(VOCABULARY[a], VOCABULARY[b]) for a, b in zip(entries.row, entries.col, strict=True)]
    assert found == [("cotton", "algodon")]
    assert model.vocabulary_size == len(VOCABULARY)


def test_a_word_in_letters_that_the_model_does_not_know(tmp_path: Path) -> None:
    lexicon = {"\u0431\u043e\u043b\u0442\u044b": ["cotton"]}
    with pytest.warns(UserWarning, match="letters that the model does not know"):
        model = teach(sparse_model(tmp_path / "start"), lexicon)
    assert model.vocabulary_size == len(VOCABULARY)


def test_forms_of_a_new_word_do_not_join_with_it(tmp_path: Path) -> None:
    lexicon = {"colchas": ["sheet"], "colcha": ["sheet"]}
    with pytest.warns(UserWarning, match="colchas .taken for a form of colcha"):
        model = teach(sparse_model(tmp_path / "start"), lexicon)
    assert model.vocabulary_size == len(VOCABULARY) + 1
    assert "colchas" not in model.tokenizer.get_vocab()


@pytest.mark.parametrize(
    ("lexicon", "message"),
    [
        ({"algodon": "cotton"}, "'algodon' needs a list"),
        ({"algodon": ()}, "'algodon' needs a list"),
        ({"algodon": {"cotton"}}, "'algodon' needs a list"),  # a set has no order
        ({"algodon": [None]}, "'algodon' needs a list"),
        (["algodon"], "as a dict"),
        ({1: ["cotton"]}, "as a dict"),
        ({" ": ("cotton",)}, "is not one word"),
        ({"algodon fino": ("cotton",)}, "is not one word"),
    ],
)
def test_a_lexicon_that_says_nothing_is_refused(tmp_path: Path, lexicon: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        teach(sparse_model(tmp_path / "start"), lexicon)


def test_words_cannot_join_a_model_with_a_head_of_its_own(tmp_path: Path) -> None:
    model = sparse_model(tmp_path / "start")
    with model.whole() as masked_lm:
        masked_lm.config.tie_word_embeddings = False
    with pytest.raises(ModelError, match="tied embeddings"):
        teach(model, {"colcha": ("sheet",)})
    assert teach(model, {"algodon": ("cotton",)}).expansion is not None


def test_words_cannot_join_a_model_with_more_outputs_than_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = sparse_model(tmp_path / "start")
    size = model.vocabulary_size
    monkeypatch.setattr(TrainableSparseModel, "vocabulary_size", size + 8)
    with pytest.raises(ModelError, match="outputs for a vocabulary"):
        teach(model, {"colcha": ("sheet",)})


def test_two_lexicons_stand_side_by_side(tmp_path: Path) -> None:
    model = teach(sparse_model(tmp_path / "start"), {"algodon": ["cotton", "queen"]})
    model = teach(model, {"sabana": ["sheet"]})
    assert model.expansion is not None
    assert shares(model) == {
        "algodon": {("cotton",): 1.0, ("queen",): 0.7},
        "sabana": {("sheet",): 1.0},
    }


def test_translations_are_in_words_that_were_known_before(tmp_path: Path) -> None:
    # "colcha" is new itself, and has nothing of its own to hand on: its pieces are what is known.
    lexicon = {"manzana": ["colcha"], "colcha": ["sheet"]}
    plain = sparse_model(tmp_path / "again")
    model = teach(sparse_model(tmp_path / "start"), lexicon)
    pieces = plain.tokenizer.tokenize("colcha")
    assert len(pieces) > 1
    assert list(shares(model)["manzana"]) == [tuple(sorted(set(pieces)))]


def test_a_word_is_no_translation_of_itself(tmp_path: Path) -> None:
    model = teach(sparse_model(tmp_path / "start"), {"algodon": ["cotton"]})
    with pytest.warns(UserWarning, match=r"not taught: algodon \(no trans.*\), colcha \(no trans"):
        again = teach(model, {"algodon": ["Algodón"], "colcha": ["colcha"]})
    assert again.vocabulary_size == len(VOCABULARY)
    assert again.expansion is not None
    entries = again.expansion.weights.tocoo()
    assert [(VOCABULARY[at]) for at in entries.row] == ["cotton"]


def test_the_same_translation_counts_once(tmp_path: Path) -> None:
    model = teach(sparse_model(tmp_path / "start"), {"algodon": ["cotton", "Cotton"]})
    assert model.expansion is not None
    assert model.expansion.weights.data.tolist() == [1.0]


def test_shares_may_be_given(tmp_path: Path) -> None:
    lexicon = {"algodon": {"cotton": 0.2, "queen sheet": 3, "COTTON": 0.25}}
    model = teach(sparse_model(tmp_path / "start"), lexicon)
    assert shares(model) == {"algodon": {("cotton",): 0.25, ("queen", "sheet"): 3.0}}


def test_more_translations_are_added(tmp_path: Path, taught: TrainableSparseModel) -> None:
    again = load_trainable(str(save(taught, tmp_path / "taught")))
    more: Lexicon = {"algodon": {"cotton": 0.5, "queen": 0.25}, "colcha": {"sheet queen": 2}}
    found = shares(teach(again, more, add=True))
    assert found["algodon"] == {("cotton",): 1.0, ("queen",): 0.25}
    assert found["colcha"] == {("sheet",): 1.0, ("queen", "sheet"): 2.0}


def test_words_taught_have_the_largest_priority(
    tmp_path: Path, taught: TrainableSparseModel
) -> None:
    again = load_trainable(str(save(taught, tmp_path / "taught")))
    assert again.expansion is not None
    known = again.vocabulary_size
    values = np.arange(known, 0, -1, dtype=np.float32)
    again.expansion = replace(again.expansion, priorities=values)
    again = teach(again, {"algodon": ["queen"], "guardaescobas": ["case"]})
    expected = [*values, known]
    expected[VOCABULARY.index("algodon")] = known
    for model in (again, load_trainable(str(save(again, tmp_path / "again")))):
        assert model.vocabulary_size == known + 1
        assert model.expansion is not None and model.expansion.priorities is not None
        assert model.expansion.priorities.tolist() == expected


def test_of_a_list_twelve_translations_count(tmp_path: Path) -> None:
    words = [word for word in VOCABULARY if word.isalpha() and word != "algodon"]
    words += [f"{one} {two}" for one in words for two in words if one < two]
    model = teach(sparse_model(tmp_path / "start"), {"algodon": words})
    assert len(words) > len(shares(model)["algodon"]) == 12


def test_in_another_order_it_is_the_same_translation(tmp_path: Path) -> None:
    lexicon: Any = {
        "algodon": {"queen sheet": 1.0, "sheet queen": np.float64(2)},
        "colcha": {"sheet": Fraction(1, 2)},
    }
    found = shares(teach(sparse_model(tmp_path / "start"), lexicon))
    assert found == {"algodon": {("queen", "sheet"): 2.0}, "colcha": {("sheet",): 0.5}}


def test_a_translation_with_the_word_itself_needs_all_its_words(tmp_path: Path) -> None:
    lexicon = {"algodon": ["algodon sheet", "algodon algodon", "\u4e00 queen"]}
    found = shares(teach(sparse_model(tmp_path / "start"), lexicon))
    assert found == {"algodon": {("algodon", "sheet"): 1.5}}


@pytest.mark.parametrize(
    "share", [0, -1, float("nan"), float("inf"), "1", None, 1e-50, 1e39, 10**400]
)
def test_a_share_that_is_no_positive_number_is_refused(tmp_path: Path, share: Any) -> None:
    with pytest.raises(UsageError, match="'algodon' has a share of"):
        teach(sparse_model(tmp_path / "start"), {"algodon": {"cotton": share}})


def test_padding_and_truncation_of_the_tokenizer_play_no_part(tmp_path: Path) -> None:
    model = sparse_model(tmp_path / "start", layout="opensearch")
    model.tokenizer.backend_tokenizer.enable_padding(length=8)
    model.tokenizer.backend_tokenizer.enable_truncation(3)
    model = teach(model, {"algodon": ["cotton"], "sabana": ["sheet queen cotton case phone"]})
    assert shares(model) == {
        "algodon": {("cotton",): 1.0},
        "sabana": {("case", "cotton", "phone", "queen", "sheet"): 1.5},
    }
