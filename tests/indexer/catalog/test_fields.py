from __future__ import annotations

from typing import Any

import pytest

from engine.errors import CatalogError
from indexer.catalog.aliases import (
    DESCRIPTION_PREFERENCE,
    ID_PREFERENCE,
    TITLE_PREFERENCE,
    normalise,
)
from indexer.catalog.fields import FieldSelector
from indexer.catalog.record import Refusal
from indexer.catalog.rejects import RejectReason


def select_all(
    *documents: dict[str, Any], id_field: str | None = None, text_fields: tuple[str, ...] = ()
) -> tuple[FieldSelector, list[tuple[str, str] | Refusal]]:
    selector = FieldSelector("x.jsonl", id_field, text_fields)
    return selector, [selector.select(document) for document in documents]


def test_aliases_are_in_normalised_form_and_have_one_role() -> None:
    every = ID_PREFERENCE + TITLE_PREFERENCE + DESCRIPTION_PREFERENCE
    assert [normalise(alias) for alias in every] == list(every)
    assert len(set(every)) == len(every)


@pytest.mark.parametrize(
    ("name", "normal"),
    [
        ("Product ID", "productid"),
        ("product_id", "productid"),
        ("productId", "productid"),
        ("_id", "_id"),
        (" Título ", "titulo"),
        ("CÓDIGO", "codigo"),
        ("Body (HTML)", "bodyhtml"),
        ("___", "_"),
    ],
)
def test_normalise(name: str, normal: str) -> None:
    assert normalise(name) == normal


@pytest.mark.parametrize(
    ("document", "id_", "text"),
    [
        ({"title": "a", "description": "b", "brand": "c", "id": 1}, "1", "a b"),
        ({"_id": "d1", "title": "", "text": "passage"}, "d1", "passage"),
        ({"_id": "d1", "title": "t", "text": "passage"}, "d1", "t passage"),
        ({"EAN": "84", "SKU": "s", "Name": "n"}, "s", "n"),
        ({"asin": "B0", "product_title": "n", "id": {"$oid": "1"}}, "B0", "n"),
        ({"Código": "7", "Nombre": "sábana", "Descripción": "algodón"}, "7", "sábana algodón"),
        ({"referencia": "7", "título": "t", "precio": "3"}, "7", "t"),
        ({"handle": "h", "Title": "t", "Body (HTML)": "b"}, "h", "t b"),
        ({"id": 1, "summary": "s", "description": "d"}, "1", "d"),
        (
            {"id": 1, "brand": "Koss", "colour": "red", "price": "3", "url": "http://x"},
            "1",
            "Koss red",
        ),
    ],
)
def test_detection(document: dict[str, Any], id_: str, text: str) -> None:
    _, [selected] = select_all(document)
    assert selected == (id_, text)


def test_the_id_field_stays_the_same_for_the_whole_source() -> None:
    selector, selected = select_all(
        {"sku": None, "title": "none"},
        {"sku": "s1", "title": "a"},
        {"id": "1", "title": "b"},
        {"id": "1", "sku": "s2", "title": "c"},
    )
    assert selected[1] == ("s1", "a")
    assert selected[3] == ("s2", "c")
    assert [s.reason for s in selected if isinstance(s, Refusal)] == [RejectReason.MISSING_ID] * 2
    assert selector.choice.id_field == "sku"


def test_text_names_are_looked_up_in_each_record() -> None:
    selector, selected = select_all(
        {"id": 1, "brand": "only"},
        {"id": 2, "description": "d", "brand": "x"},
        {"id": 3, "name": "n", "description": None, "summary": "s"},
        {"id": 4, "brand": "x"},
    )
    assert selected[:3] == [("1", "only"), ("2", "d"), ("3", "n s")]
    refusal = selected[3]
    assert isinstance(refusal, Refusal)
    assert refusal.reason is RejectReason.NO_TEXT
    assert selector.choice.text_fields == ("name", "description", "summary")
    assert not selector.choice.every_string_field
    assert selector.choice.detected


def test_every_string_is_taken_where_no_name_tells() -> None:
    selector, selected = select_all({"id": 1, "a": "one"}, {"id": 2, "b": "two"})
    assert selected == [("1", "one"), ("2", "two")]
    assert selector.choice.every_string_field
    assert selector.choice.text_fields == ("a", "b")


def test_told_fields_are_taken_in_order() -> None:
    selector, selected = select_all(
        {"id": 1, "clave": "k", "title": "t", "tags": ["a", "b"], "n": 3},
        {"clave": "m", "n": "only"},
        {"clave": "m", "title": "t", "n": "  "},
        id_field="clave",
        text_fields=("tags", "n", "tags", "typo"),
    )
    assert selected[:2] == [("k", "a b 3"), ("m", "only")]
    assert isinstance(selected[2], Refusal)
    choice = selector.choice
    assert (choice.id_field, choice.text_fields) == ("clave", ("tags", "n", "typo"))
    assert not choice.detected
    assert choice.unseen_text_fields == ("typo",)
    selector.check_something_found()


def test_no_id_anywhere_lists_the_fields() -> None:
    selector, _ = select_all({"clave": 1, "title": "t"}, {"precio": 2})
    with pytest.raises(CatalogError, match=r"among clave, title, precio\. Name the id with --id-f"):
        selector.check_something_found()
    selector, _ = select_all({"clave": 1, "title": "t"}, id_field="idd")
    with pytest.raises(CatalogError, match="no record has a field 'idd', but clave, title"):
        selector.check_something_found()


def test_no_text_anywhere_lists_the_fields() -> None:
    selector, _ = select_all({"id": 1, "price": 3})
    with pytest.raises(CatalogError, match=r"among id, price\. Name one with --text-field"):
        selector.check_something_found()
    selector, _ = select_all({"id": 1, "title": "t"}, text_fields=("titel",))
    with pytest.raises(CatalogError, match="no record has text in titel, fields are id, title"):
        selector.check_something_found()


def test_bad_ids_are_not_taken_for_missing_fields() -> None:
    selector, [selected] = select_all({"id": " ", "title": "t"})
    assert isinstance(selected, Refusal)
    assert selected.reason is RejectReason.EMPTY_ID
    selector.check_something_found()


def test_header() -> None:
    selector = FieldSelector("x.csv", None, ())
    selector.read_header(["sku", "id", "brand", "title"], ["sku", "brand", "title"])
    assert selector.choice.id_field == "sku"
    refusal = selector.select({"sku": "1", "id": "", "brand": "b", "title": ""})
    assert isinstance(refusal, Refusal)
    assert refusal.reason is RejectReason.NO_TEXT

    with pytest.raises(CatalogError, match="Put the column names on the first line"):
        FieldSelector("x.csv", None, ()).read_header(["a", "b"], ["a", "b"])
    with pytest.raises(CatalogError, match="no record has a field 'z'"):
        FieldSelector("x.csv", "z", ()).read_header(["a", "b"], ["a", "b"])
    with pytest.raises(CatalogError, match="no record has text in y, fields are id, b"):
        FieldSelector("x.csv", None, ("y",)).read_header(["id", "b"], ["id", "b"])
    FieldSelector("x.csv", None, ("y", "b")).read_header(["id", "b"], ["id", "b"])
