"""Field names under which catalogs keep their id and their text, in English and Spanish.

Names are compared in normalised form (`normalise`): `Product ID`, `product_id` and `productId`
are one name, and so are `Título` and `titulo`.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

ID_PREFERENCE = (
    "id",
    "_id",
    "sku",
    "productid",
    "productsku",
    "idproducto",
    "productoid",
    "itemid",
    "asin",
    "uniqid",
    "uniqueid",
    "identifier",
    "identificador",
    "uid",
    "uuid",
    "docid",
    "documentid",
    "articleid",
    "idarticulo",
    "offerid",
    "pid",
    "code",
    "productcode",
    "itemcode",
    "codigo",
    "codigoproducto",
    "codigoarticulo",
    "reference",
    "ref",
    "referencia",
    "partnumber",
    "mpn",
    "itemnumber",
    "gtin",
    "gtin13",
    "ean",
    "ean13",
    "upc",
    "isbn",
    "handle",
    "slug",
)
"""The likeliest id first: what identifies an offer before what identifies an article."""

TITLE_PREFERENCE = (
    "title",
    "name",
    "producttitle",
    "productname",
    "itemtitle",
    "itemname",
    "displayname",
    "titulo",
    "tituloproducto",
    "titulodelproducto",
    "nombre",
    "nombreproducto",
    "nombredelproducto",
    "heading",
    "headline",
    "denominacion",
    "designacion",
)

DESCRIPTION_PREFERENCE = (
    "description",
    "productdescription",
    "itemdescription",
    "longdescription",
    "fulldescription",
    "body",
    "bodyhtml",
    "text",
    "content",
    "contents",
    "passage",
    "descripcion",
    "descripcionproducto",
    "descripciondelproducto",
    "descripcionlarga",
    "texto",
    "contenido",
    "detalle",
    "detalles",
    "details",
    "shortdescription",
    "descripcioncorta",
    "summary",
    "resumen",
    "abstract",
    "desc",
)

TEXT_ROLES = (TITLE_PREFERENCE, DESCRIPTION_PREFERENCE)
"""Of each role a record gives the text of one field, in this order."""

ID_ALIASES = frozenset(ID_PREFERENCE)
TEXT_ALIASES = frozenset(TITLE_PREFERENCE + DESCRIPTION_PREFERENCE)

_SEPARATORS = re.compile(r"[\W_]+")


@lru_cache(maxsize=4096)
def normalise(name: str) -> str:
    """Return a field name without case, accents and separators.

    A leading underscore stays: `_id` and `id` may stand side by side with different meanings.
    """
    decomposed = unicodedata.normalize("NFKD", name.strip().casefold())
    letters = _SEPARATORS.sub("", "".join(c for c in decomposed if not unicodedata.combining(c)))
    return "_" + letters if name.lstrip().startswith("_") else letters
