import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PRODUCT_FIELDS = {"id", "title", "description", "brand", "category", "price", "in_stock"}


def read_json_lines(name: str) -> list[dict[str, Any]]:
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def products() -> list[dict[str, Any]]:
    return read_json_lines("catalog.jsonl")


@pytest.fixture(scope="module")
def queries() -> list[dict[str, Any]]:
    return read_json_lines("queries.jsonl")


@pytest.fixture(scope="module")
def judgments() -> list[tuple[str, str, int]]:
    header, *lines = (EXAMPLES / "qrels.tsv").read_text(encoding="utf-8").splitlines()
    assert header == "query-id\tcorpus-id\tscore"
    rows = [line.split("\t") for line in lines]
    return [(query_id, product_id, int(score)) for query_id, product_id, score in rows]


def test_products_have_every_field_with_its_type(products: list[dict[str, Any]]) -> None:
    for product in products:
        assert set(product) == PRODUCT_FIELDS
        for field in ("id", "title", "description", "brand", "category"):
            assert isinstance(product[field], str)
            assert product[field] == product[field].strip() != ""
        assert type(product["price"]) is float
        assert product["price"] > 0
        assert type(product["in_stock"]) is bool


def test_catalog_is_large_and_varied_enough(products: list[dict[str, Any]]) -> None:
    assert len(products) >= 240
    assert len({product["category"] for product in products}) >= 12
    assert {product["in_stock"] for product in products} == {True, False}


@pytest.mark.parametrize("field", ["id", "title", "description"])
def test_no_product_repeats_another(products: list[dict[str, Any]], field: str) -> None:
    repeated = [v for v, n in Counter(p[field] for p in products).items() if n > 1]
    assert repeated == []


def test_queries_have_every_field_and_a_unique_id(queries: list[dict[str, Any]]) -> None:
    for query in queries:
        assert set(query) == {"_id", "text", "lang"}
        assert query["text"].strip() != ""
        assert query["_id"].startswith(query["lang"] + "-")
    assert len({query["_id"] for query in queries}) == len(queries)
    assert len({query["text"] for query in queries}) == len(queries)


@pytest.mark.parametrize("lang", ["en", "es"])
def test_each_language_has_enough_queries(queries: list[dict[str, Any]], lang: str) -> None:
    assert sum(query["lang"] == lang for query in queries) >= 40


def test_judgments_name_known_queries_and_products(
    products: list[dict[str, Any]],
    queries: list[dict[str, Any]],
    judgments: list[tuple[str, str, int]],
) -> None:
    assert {product_id for _, product_id, _ in judgments} <= {p["id"] for p in products}
    assert {query_id for query_id, _, _ in judgments} <= {q["_id"] for q in queries}


def test_each_pair_is_judged_once_from_0_to_3(judgments: list[tuple[str, str, int]]) -> None:
    assert len({(query_id, product_id) for query_id, product_id, _ in judgments}) == len(judgments)
    assert {score for _, _, score in judgments} == {0, 1, 2, 3}


def test_each_query_has_a_good_answer(
    queries: list[dict[str, Any]], judgments: list[tuple[str, str, int]]
) -> None:
    answered = {query_id for query_id, _, score in judgments if score >= 2}
    assert [query["_id"] for query in queries if query["_id"] not in answered] == []


def test_readme_states_the_true_counts(
    products: list[dict[str, Any]],
    queries: list[dict[str, Any]],
    judgments: list[tuple[str, str, int]],
) -> None:
    readme = " ".join((EXAMPLES / "README.md").read_text(encoding="utf-8").split())
    langs = Counter(query["lang"] for query in queries)
    categories = {product["category"] for product in products}
    assert f"{len(products)} products in {len(categories)} categories" in readme
    assert f"{len(queries)} shopper queries, {langs['en']} in English" in readme
    assert f"{langs['es']} in Spanish" in readme
    assert f"{len(judgments)} judgments" in readme
