"""A folder of public sources in small, in the form of the real one."""

import gzip
import json
from pathlib import Path
from typing import Any

PHRASES = [
    ("Sábanas", "Sheets", "google"),
    ("Toallas de baño", "Bath Towels", "google"),
    ("Lámparas", "Lamps", "shopify"),
]
SENTENCES = [
    ("La sábana está limpia.", "The sheet is clean."),
    ("Compré una toalla roja ayer.", "I bought a red towel yesterday."),
    ("El perro duerme bajo la mesa.", "The dog sleeps under the table."),
    ("Vete.", "Go."),
]
LEXICON = [
    ("sábana", "sheet", "n"),
    ("toalla", "towel", "n"),
    ("perro", "dog", "n"),
    ("perro", "domestic dog", "n"),
    ("rojo", "red", "adj"),
    ("bajo", "under", "prep"),
]
PASSAGE = (
    "The Amazon rainforest covers most of the Amazon basin of South America. "
    "This basin encompasses seven million square kilometres of land. "
    "The majority of the forest is contained within Brazil and Peru."
)
WORDNET = (
    "  1 This line is a part of the licence.\n"
    "00001740 03 n 01 entity 0 000 | that which is perceived to have its own existence  \n"
    "00002084 05 n 02 dog 0 domestic_dog 0 001 @ 00001740 n 0000 | a member of the genus Canis;"
    ' "the dog barked all night"  \n'
)


def write_sources(folder: Path) -> Path:
    """Write all sources under `folder` and return it; WordNet goes to its folder `wordnet`."""
    titles: dict[str, list[dict[str, Any]]] = {
        "abt-buy": [{"id": "1", "title": "Sony  Turntable - PSLX350H", "price": 9.0}],
        "amazon-walmart": [
            {"id": "2", "title": "Kodak Black Ink Cartridge 10B", "brand": "Kodak"},
            {"id": "3", "title": "kodak black ink cartridge 10b"},
        ],
        "pricerunner": [
            {"id": "4", "title": "apple iphone 8 plus 64gb", "category": "Mobile Phones",
             "cluster": "Apple iPhone 8 Plus 64GB"},
            {"id": "5", "title": "beko white microwave oven 800w", "category": "Microwaves"},
        ],
    }  # fmt: skip
    for name, records in titles.items():
        _write(folder / "catalogs" / f"{name}.jsonl.gz", map(json.dumps, records))
    # Enough of them that everything is drawn that is drawn by chance.
    many = [
        (f"{es} {size}", f"{en} {size}", origin) for size in range(12) for es, en, origin in PHRASES
    ]
    _write(folder / "parallel" / "product-phrases.tsv.gz", map("\t".join, PHRASES + many))
    _write(folder / "parallel" / "tatoeba.tsv.gz", map("\t".join, SENTENCES))
    _write(folder / "parallel" / "lexicon.tsv.gz", map("\t".join, LEXICON))
    natural = {"query": "where is the amazon basin", "document": PASSAGE}
    _write(folder / "pairs" / "natural-questions.jsonl.gz", [json.dumps(natural)])
    bilingual = {
        "query": "How big is the basin?",
        "query_es": "¿Cuánto mide la cuenca?",
        "document": PASSAGE.replace("Amazon", "Orinoco"),
        "document_es": "\ufeffLa cuenca del Orinoco es grande.",
    }
    _write(folder / "pairs" / "xquad-en-es.jsonl.gz", [json.dumps(bilingual)])
    (folder / "wordnet").mkdir()
    (folder / "wordnet" / "data.noun").write_text(WORDNET, encoding="utf-8")
    return folder


def _write(path: Path, lines: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
