from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers.utils import logging

from indexer.model import SparseModel
from tests.training.tiny_runs import EXAMPLES, sparse_model
from training.configuration import Losses, Recipe, Source
from training.data.example import Example
from training.data.mixture import Row
from training.model.lexicon import teach
from training.model.saving import write_model as save
from training.objective import Objective
from training.recipe_file import read_recipe

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:sentence_transformers.*"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*"),
    pytest.mark.filterwarnings("ignore:Sparse.*tensor support is in beta:UserWarning"),
]
ONLY_RANKING = Losses(flops=0, bag_of_words=0, teacher=0)


@pytest.fixture(autouse=True)
def _quiet_loading() -> Iterator[None]:
    logger: Any = logging
    logger.disable_progress_bar()
    yield
    logger.enable_progress_bar()


def rows(examples: list[Example]) -> list[Row]:
    return [Row(example, 0) for example in examples]


def with_negatives(count: int) -> list[Example]:
    documents = [example.document for example in EXAMPLES]
    return [
        replace(
            example,
            negatives=tuple(f"{documents[(at + each) % 12]} red" for each in range(1, 1 + count)),
            scores=tuple(float((7 * at + 3 * each) % 10) for each in range(1 + count)),
        )
        for at, example in enumerate(EXAMPLES)
    ]


def losses_of(
    model: Any, recipe: Recipe, examples: list[Example], *, ramp: float = 1.0, seed: int = 0
) -> Any:
    objective = Objective(recipe, model, torch.float32, None)
    return objective(rows(examples), np.random.default_rng(seed), ramp)


def reference_losses(directory: Path, examples: list[Example], inner: str) -> dict[str, float]:
    """What sentence-transformers' SpladeLoss says of the same batch."""
    from sentence_transformers import SparseEncoder
    from sentence_transformers.sparse_encoder import losses as theirs

    model: Any = SparseEncoder(str(directory), device="cpu", model_kwargs={"dtype": "float32"})
    model.eval()
    kinds: dict[str, Callable[[], Any]] = {
        "ranking": lambda: theirs.SparseMultipleNegativesRankingLoss(model, scale=1.0),
        "margin_mse": lambda: theirs.SparseMarginMSELoss(model),
        "kl": lambda: theirs.SparseDistillKLDivLoss(model, temperature=1.0),
    }
    loss = theirs.SpladeLoss(
        model, kinds[inner](), document_regularizer_weight=0.003, query_regularizer_weight=0
    )
    columns = [[example.query for example in examples], [each.document for each in examples]]
    columns += [list(column) for column in zip(*(each.negatives for each in examples), strict=True)]
    features = [
        model.preprocess(column, task="query" if at == 0 else "document")
        for at, column in enumerate(columns)
    ]
    for at, each in enumerate(features):
        each.setdefault("task", "query" if at == 0 else "document")
    labels = None if inner == "ranking" else torch.tensor([each.scores for each in examples])
    with torch.no_grad():
        return {name: float(value) for name, value in loss(features, labels).items()}


@pytest.mark.parametrize("architecture", ["bert", "distilbert"])
@pytest.mark.parametrize("negatives", [0, 2])
def test_the_card_has_the_losses_of_sentence_transformers(
    tmp_path: Path, architecture: str, negatives: int
) -> None:
    examples = with_negatives(negatives)
    model = sparse_model(tmp_path / "model", architecture=architecture)
    card = replace(read_recipe("card", files=["x"]), negatives=negatives)
    found = losses_of(model, card, examples)
    expected = reference_losses(tmp_path / "model", examples, "ranking")
    assert found.parts["ranking"] == pytest.approx(expected["base_loss"], abs=1e-5)
    assert 0.003 * found.parts["flops"] == pytest.approx(
        expected["document_regularizer_loss"], abs=1e-5
    )
    assert found.total.item() == pytest.approx(sum(expected.values()), abs=1e-5)

    # The same numbers in what we save after a step.
    found.total.backward()
    torch.optim.SGD(model.parameters(), lr=0.01).step()
    (tmp_path / "saved").mkdir()
    save(model, tmp_path / "saved")
    again = losses_of(model, card, examples)
    expected = reference_losses(tmp_path / "saved", examples, "ranking")
    assert again.total.item() == pytest.approx(sum(expected.values()), abs=1e-5)
    assert again.total.item() < found.total.item()


@pytest.mark.parametrize("inner", ["margin_mse", "kl"])
def test_distillation_is_that_of_sentence_transformers(tmp_path: Path, inner: str) -> None:
    examples = with_negatives(3)
    model = sparse_model(tmp_path / "model")
    losses = Losses(
        ranking=0,
        flops=0.003,
        bag_of_words=0,
        teacher=0,
        margin_mse=float(inner == "margin_mse"),
        kl=float(inner == "kl"),
    )
    found = losses_of(model, Recipe(losses=losses), examples)
    expected = reference_losses(tmp_path / "model", examples, inner)
    assert found.parts[inner] == pytest.approx(expected["base_loss"], rel=1e-5)
    assert found.total.item() == pytest.approx(sum(expected.values()), rel=1e-5)


def test_gradients_reach_both_sides(tmp_path: Path) -> None:
    model = sparse_model(tmp_path / "model")
    losses_of(model, Recipe(), EXAMPLES).total.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
    used = np.unique(np.concatenate(model.query_tokens([each.query for each in EXAMPLES])))
    gradient = model.static_weights.grad
    assert gradient is not None
    assert set(gradient.nonzero()[:, 0].tolist()) <= set(used.tolist())


def test_a_sampled_vocabulary_changes_the_flops_estimate_only(tmp_path: Path) -> None:
    model = sparse_model(tmp_path / "model")
    whole = losses_of(model, Recipe(), EXAMPLES)
    sampled = [
        losses_of(model, Recipe(sampled_vocabulary=15), EXAMPLES, seed=seed) for seed in range(60)
    ]
    for one in sampled:
        assert one.parts["ranking"] == pytest.approx(whole.parts["ranking"], abs=1e-5)
        assert one.parts["bag_of_words"] == pytest.approx(whole.parts["bag_of_words"], abs=1e-5)
        assert one.zero_share == whole.zero_share
    mean = np.mean([one.parts["flops"] for one in sampled])
    assert mean == pytest.approx(whole.parts["flops"], rel=0.1)


LEXICON = {"algodon": ("cotton",), "sabana": ("sheet", "queen cotton"), "funda": ("case",)}


def test_a_taught_model_is_trained_on_the_scores_that_it_gives(tmp_path: Path) -> None:
    taught = teach(sparse_model(tmp_path / "model"), LEXICON)
    save(taught, tmp_path / "taught")
    found = losses_of(taught, Recipe(losses=ONLY_RANKING), EXAMPLES).parts["ranking"]
    used = SparseModel.load(tmp_path / "taught", dtype="float32")
    queries = used.encode_query([each.query for each in EXAMPLES])
    documents = used.encode_document([each.document for each in EXAMPLES])
    scores = torch.from_numpy((queries @ documents.T).toarray())
    expected = torch.nn.functional.cross_entropy(scores, torch.arange(len(EXAMPLES)))
    assert found == pytest.approx(expected.item(), abs=1e-4)
    untaught = losses_of(sparse_model(tmp_path / "again"), Recipe(losses=ONLY_RANKING), EXAMPLES)
    assert abs(found - untaught.parts["ranking"]) > 1e-3


def test_a_sampled_vocabulary_holds_what_gives_weight(tmp_path: Path) -> None:
    taught = teach(sparse_model(tmp_path / "model"), LEXICON)
    examples = [each for each in EXAMPLES if "sabana" in each.query or "algodon" in each.query]
    whole = losses_of(taught, Recipe(), examples)
    sampled = [
        losses_of(taught, Recipe(sampled_vocabulary=3), examples, seed=seed) for seed in range(200)
    ]
    for one in sampled:
        assert one.parts["ranking"] == pytest.approx(whole.parts["ranking"], abs=1e-5)
    mean = np.mean([one.parts["flops"] for one in sampled])
    assert mean == pytest.approx(whole.parts["flops"], rel=0.1)


def test_the_ramp_is_on_flops_alone(tmp_path: Path) -> None:
    model = sparse_model(tmp_path / "model")
    recipe = Recipe(losses=Losses(flops=0.5, bag_of_words=0, teacher=0))
    one, half = (losses_of(model, recipe, EXAMPLES, ramp=ramp) for ramp in (1.0, 0.5))
    assert one.parts == half.parts
    assert (one.total - half.total).item() == pytest.approx(0.25 * one.parts["flops"], rel=1e-4)


def test_no_more_negatives_than_the_recipe_wants(tmp_path: Path) -> None:
    model = sparse_model(tmp_path / "model")
    examples = with_negatives(5)
    recipe = Recipe(losses=ONLY_RANKING, negatives=2)
    one, same, other = (losses_of(model, recipe, examples, seed=seed) for seed in (1, 1, 2))
    assert one.parts == same.parts != other.parts
    none = losses_of(model, replace(recipe, negatives=0), examples)
    assert none.parts == losses_of(model, recipe, EXAMPLES).parts
    assert none.parts["ranking"] < one.parts["ranking"]


def test_only_some_examples_have_scores(tmp_path: Path) -> None:
    model = sparse_model(tmp_path / "model")
    recipe = Recipe(losses=replace(ONLY_RANKING, margin_mse=1.0, kl=1.0))
    mixed = losses_of(model, recipe, [*with_negatives(3)[:2], *EXAMPLES[2:]])
    alone = losses_of(model, recipe, with_negatives(3)[:2])
    assert mixed.parts["margin_mse"] == pytest.approx(alone.parts["margin_mse"], rel=1e-5)
    assert mixed.parts["kl"] == pytest.approx(alone.parts["kl"], rel=1e-5)
    without = losses_of(model, recipe, EXAMPLES)
    assert without.parts["kl"] == without.parts["margin_mse"] == 0


class FakeTeacher:
    """Ranks the own document first, but for the last query."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def scores(self, queries: list[str], documents: list[str]) -> torch.Tensor:
        self.asked = queries
        scores = torch.rand(len(queries), len(documents))
        for at in range(len(queries) - 1):
            scores[at, at + 2] = 9
        scores[-1, 0] = 9
        return scores


def test_the_teacher_is_heard_on_what_it_ranks_right(tmp_path: Path) -> None:
    model = sparse_model(tmp_path / "model")
    sources = (Source(("a",)), Source(("b",), teacher=True))
    losses = Losses(ranking=0, flops=0, bag_of_words=0, teacher=1)
    teacher: Any = FakeTeacher()
    objective = Objective(Recipe(sources=sources, losses=losses), model, torch.float32, teacher)
    examples = [*EXAMPLES[:5], replace(EXAMPLES[5], teacher_query="in English")]
    batch = [Row(example, int(at >= 2)) for at, example in enumerate(examples)]
    found = objective(batch, np.random.default_rng(0), 1.0)
    assert teacher.asked == [*(each.query for each in EXAMPLES[2:5]), "in English"]
    assert found.parts["teacher"] > 0
    found.total.backward()  # type: ignore[no-untyped-call]
    gradient = model.static_weights.grad
    assert gradient is not None
    heard = np.unique(np.concatenate(model.query_tokens([each.query for each in EXAMPLES[2:5]])))
    assert set(gradient.nonzero()[:, 0].tolist()) <= set(heard.tolist())

    quiet = objective(batch[:2], np.random.default_rng(0), 1.0)
    assert quiet.parts["teacher"] == 0


def test_queries_that_find_nothing_are_counted(tmp_path: Path) -> None:
    model = sparse_model(tmp_path / "model")
    with torch.no_grad():
        model.static_weights[model.query_tokens(["cup"])[0]] = 0
    found = losses_of(model, Recipe(losses=ONLY_RANKING), EXAMPLES)
    assert found.zero_share >= 1 / 12
