"""`engine evaluate`, in processes of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.cli.commands import Outcome, engine
from tests.training.evaluation.small_collections import (
    json_lines,
    random_collection,
    write,
    write_collection,
)

Serving = Callable[..., Outcome]
COLLECTION = random_collection(30, 12)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the collection `shop`: queries in two languages, and in Spanish by kind."""
    queries = [
        {"_id": query.id, "text": query.text, "lang": ("en", "es")[at % 2]}
        for at, query in enumerate(COLLECTION.queries)
    ]
    judgments = "".join(
        f"{query}\t{document}\t{relevance:g}\n"
        for query, judged in COLLECTION.judgments.items()
        for document, relevance in judged.items()
    )
    corpus = [
        {"_id": id, "title": text.partition(" ")[0], "text": text.partition(" ")[2]}
        for id, text in zip(COLLECTION.ids, COLLECTION.texts, strict=True)
    ]
    write_collection(
        tmp_path / "shop",
        corpus=corpus,
        queries=[*queries, {"_id": "unjudged", "text": "queen", "lang": "en"}],
        judgments=judgments,
    )
    return tmp_path


def test_one_model(folder: Path, tiny_model: Path, serving: Serving) -> None:
    done = serving("evaluate", "shop", "--model", tiny_model, cwd=folder)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == "12 queries of shop, 30 documents"
    assert lines[1] == "1 query without a relevant document left out"
    assert lines[2].endswith("30 documents encoded")
    head = next(line for line in lines if "all (12)" in line)
    assert head.split()[-4:] == ["en", "(6)", "es", "(6)"]
    names = [line.split()[0] for line in lines[lines.index(head) + 1 :]]
    assert names == [
        *(f"dot_{name}@{k}" for name in ("accuracy", "precision", "recall") for k in (1, 3, 5, 10)),
        "dot_ndcg@10",
        "dot_mrr@10",
        "dot_map@100",
        "dot_ndcg@10_graded",
        "query_active_dims",
        "query_sparsity_ratio",
        "corpus_active_dims",
        "corpus_sparsity_ratio",
        "avg_flops",
    ]
    assert all(len(line) <= 100 for line in lines[lines.index(head) + 1 :])
    assert sorted(path.name for path in folder.iterdir()) == ["shop"]


def test_side_by_side(folder: Path, tiny_model: Path, serving: Serving) -> None:
    done = serving(
        "evaluate", "shop", "--model", tiny_model, "--compare", "bm25", "--compare", tiny_model,
        "--split", "dev", "--min-relevance", "2", cwd=folder, env={"COLUMNS": "160"},
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "of shop, dev split, 30 documents" in done.out
    assert "relevant: judged 2 or more" in done.out
    main = [line for line in done.out.splitlines() if line.startswith("dot_ndcg@10 ")]
    assert len(main) == 3  # all, en, es
    cells = main[0].split()
    assert cells[1:4] == cells[8:11]  # the model against itself
    assert cells[-1] == "1.000"
    assert 0 < float(cells[7]) <= 1
    dims = next(line for line in done.out.splitlines() if line.startswith("query_active_dims"))
    assert dims.split()[2] == "-"
    assert done.out.rstrip().endswith("paired randomization test against the first system")


def test_json_with_an_index_that_is_kept(folder: Path, tiny_model: Path, serving: Serving) -> None:
    kinds = "query-id\tkind\ttext\nq0\tkeywords\tsabana\nq0\tquestions\t¿sabana?\n"
    write(folder / "es.tsv", kinds)
    options = ("--model", tiny_model, "--index", "kept", "--queries", "es.tsv", "--json")
    first = serving("evaluate", "shop", *options, "--run", "my.run", cwd=folder).json
    assert list(first) == [
        "collection", "documents", "queries", "left_out", "split", "min_relevance", "systems",
        "comparisons",
    ]  # fmt: skip
    (system,) = first["systems"]
    assert system["encoded"] == 30
    assert list(system["groups"]) == ["all", "keywords", "questions"]
    assert (folder / "my.run").read_text().startswith("q0/keywords Q0 d")
    again = serving("evaluate", "shop", *options, cwd=folder).json
    assert again["systems"][0]["encoded"] == 0
    assert again["systems"][0]["groups"] == system["groups"]


def test_what_is_wrong_takes_one_line(folder: Path, tiny_model: Path, serving: Serving) -> None:
    def run(*arguments: str | Path) -> Outcome:
        return serving("evaluate", *arguments, "--model", tiny_model, cwd=folder)

    run("nowhere").fails(2, "there is no collection nowhere", "NanoMSMARCO")
    run("shop", "--compare", "./nowhere").fails(2, "no model directory")
    run("shop", "--split", "train").fails(2, "'train' is not one of 'dev', 'test'")
    run("shop", "--min-relevance", "9").fails(2, "nothing to measure")
    run("shop", "--min-relevance", "0").fails(2, "--min-relevance")
    run("shop", "--queries", "nowhere").fails(2, "nowhere cannot be read")
    run("shop", "--queries", "shop").fails(2, "shop cannot be read", "directory")
    run("shop", "--queries", "shop/qrels.tsv/x").fails(2, "qrels.tsv/x cannot be read")
    run("shop/qrels.tsv").fails(2, "qrels.tsv is a file: name the folder")
    run("shop/qrels.tsv/x").fails(2, "there is no collection shop/qrels.tsv/x")
    run("shop", "--run", "no/where").fails(2, "name a file in a folder")
    run("shop", "--index", "shop/qrels.tsv").fails(2, "is a file; name another folder")
    write(folder / "shop" / "qrels.tsv", "q0\td0\n")
    run("shop").fails(1, "shop/qrels.tsv:1: a judgment is query id, document id and relevance")
    write(folder / "shop" / "corpus.jsonl", json_lines([{"_id": 1}, {"_id": 1}]))
    run("shop").fails(1, "shop/corpus.jsonl:2: the id '1' was there before")


def test_a_hub_that_cannot_be_reached(folder: Path) -> None:
    # In a process of its own: the hub's library reads these variables when it is imported.
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "cache")}
    engine("evaluate", "NanoMSMARCO", cwd=folder, env=offline).fails(
        1, "NanoMSMARCO could not be fetched from the Hugging Face hub", "try again"
    )


def test_an_index_of_something_else(folder: Path, tiny_model: Path, serving: Serving) -> None:
    write(folder / "catalog.jsonl", json_lines([{"id": "other", "title": "queen sheet"}]))
    options = ("--model", tiny_model, "--index", "catalog.index")
    assert serving("index", "catalog.jsonl", *options, cwd=folder).code == 0
    serving("evaluate", "shop", *options, cwd=folder).fails(
        2, "catalog.index holds 1 documents that are not in shop: name another folder"
    )


def test_judgments_of_documents_that_are_not_there(
    folder: Path, tiny_model: Path, serving: Serving
) -> None:
    whole = serving("evaluate", "shop", "--model", tiny_model, cwd=folder)
    assert "judgments are of documents" not in whole.err
    path = folder / "shop" / "corpus.jsonl"
    write(path, "".join(path.read_text("utf-8").splitlines(keepends=True)[:5]))
    done = serving("evaluate", "shop", "--model", tiny_model, "--json", cwd=folder)
    assert "judgments are of documents that shop does not have" in " ".join(done.err.split())
    assert done.json["systems"]


def test_bm25_alone(folder: Path, serving: Serving) -> None:
    report = serving("evaluate", "shop", "--model", "bm25", "--json", cwd=folder).json
    (system,) = report["systems"]
    assert system["fingerprint"] is None
    assert system["groups"]["all"]["metrics"]["dot_ndcg@10"]["value"] > 0.2


def test_figures_of_many_systems_are_never_cut_off(
    folder: Path, tiny_model: Path, serving: Serving
) -> None:
    rivals = ["--compare", "bm25", "--compare", tiny_model]
    done = serving("evaluate", "shop", "--model", "bm25", *rivals[2:], *rivals[:2], cwd=folder)
    assert done.code == 0, done.err
    assert "…" not in done.out
    ranks = [line for line in done.out.splitlines() if line.startswith("dot_mrr@10")]
    assert all(len(line.split()) in (5, 8, 11) for line in ranks), ranks
    for line in ranks:  # name, figure [low, high], then for each rival the same and p
        float(line.split()[-1].lstrip("<"))
