from __future__ import annotations

import pytest

from indexer.model import SparseModel
from tests.indexer.model.tiny_models import write_model
from training.configuration import Mining
from training.data.example import Example
from training.mining import mine_negatives

EXAMPLES = [
    Example("queen sheet", "queen sheet", key="s"),
    Example("queen sheet", "queen cotton sheet"),
    Example("phone case", "phone case"),
    Example("sheet", "sheet for a queen", key="s"),
    Example("case", "case", ("phone",)),
    Example("scored", "phone", ("case",), (2.0, 1.0)),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> SparseModel:
    return SparseModel.load(write_model(tmp_path_factory.mktemp("model")))


def test_negatives_are_what_the_engine_finds_but_no_answers(model: SparseModel) -> None:
    mined = mine_negatives(model, EXAMPLES, Mining(negatives=3, margin=0.0))
    texts = list(dict.fromkeys(example.document for example in EXAMPLES))
    scores = model.similarity(
        model.encode_query([example.query for example in EXAMPLES]), model.encode_document(texts)
    )
    for at, (before, after) in enumerate(zip(EXAMPLES, mined, strict=True)):
        assert (after.query, after.document, after.key) == (
            before.query,
            before.document,
            before.key,
        )
        assert after.document not in after.negatives
        if before.scores:
            assert after == before
            continue
        answers = {other.document for other in EXAMPLES if other.query == before.query}
        answers |= {other.document for other in EXAMPLES if before.key and other.key == before.key}
        expected = [
            texts[place]
            for place in sorted(range(len(texts)), key=lambda place: -scores[at, place])
            if texts[place] not in {*answers, *before.negatives} and scores[at, place] > 0
        ]
        new = after.negatives[len(before.negatives) :]
        assert after.negatives[: len(before.negatives)] == before.negatives
        assert set(new) == set(expected[:3])


def test_what_scores_near_the_answer_is_taken_for_one(model: SparseModel) -> None:
    mined = mine_negatives(model, EXAMPLES, Mining(negatives=5, margin=0.8))
    for example in mined:
        if example.scores:
            continue
        texts = [example.document, *example.negatives]
        own, *others = model.similarity(
            model.encode_query([example.query]), model.encode_document(texts)
        )[0]
        given = {"phone"} if example.query == "case" else set()
        for text, score in zip(texts[1:], others, strict=True):
            assert text in given or score <= 0.8 * own * 1.001


def test_depth_skip_and_number(model: SparseModel) -> None:
    whole = mine_negatives(model, EXAMPLES, Mining(negatives=9, margin=0.0))[2].negatives
    assert len(whole) >= 2
    one = mine_negatives(model, EXAMPLES, Mining(negatives=1, margin=0.0))[2].negatives
    assert one == whole[:1]
    shallow = mine_negatives(model, EXAMPLES, Mining(negatives=9, depth=1, margin=0.0))[2].negatives
    assert len(shallow) <= 1
    skipped = mine_negatives(model, EXAMPLES, Mining(negatives=9, skip=1, margin=0.0))[2].negatives
    assert set(skipped) <= set(whole)
    few = mine_negatives(model, EXAMPLES, Mining(negatives=1, max_examples=1, margin=0.0))
    assert sum(len(each.negatives) for each in few) <= 1 + sum(
        len(each.negatives) for each in EXAMPLES
    )
