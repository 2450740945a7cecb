"""NanoBEIR: thirteen small collections on the Hugging Face hub, each with 50 queries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.errors import CatalogError, MissingExtraError
from training.evaluation.beir import check_belongs_together
from training.evaluation.collection import Collection, JudgedQuery

NAMES = (
    "NanoArguAna",
    "NanoClimateFEVER",
    "NanoDBPedia",
    "NanoFEVER",
    "NanoFiQA2018",
    "NanoHotpotQA",
    "NanoMSMARCO",
    "NanoNFCorpus",
    "NanoNQ",
    "NanoQuoraRetrieval",
    "NanoSCIDOCS",
    "NanoSciFact",
    "NanoTouche2020",
)
_OWNER = "zeta-alpha-ai"
_PARTS = ("corpus", "queries", "qrels")


def full_name(name: str) -> str | None:
    """Return the NanoBEIR name that is meant, whatever its case; None where none is."""
    return next((known for known in NAMES if known.casefold() == name.casefold()), None)


def read_nano_beir(name: str) -> Collection:
    """Read a NanoBEIR collection from the hub, or from the cache of an earlier download.

    Documents without text are left out, as sentence-transformers does.

    Raises:
        CatalogError: the hub cannot be reached and nothing is in the cache, or what came from it
            has another form.
        MissingExtraError: pyarrow is not installed.
    """
    from huggingface_hub import snapshot_download

    source = f"{_OWNER}/{name}"
    patterns = [f"{part}/*.parquet" for part in _PARTS]
    try:
        folder = Path(snapshot_download(source, repo_type="dataset", allow_patterns=patterns))
    except Exception as error:  # any network, authentication or name failure: same advice
        raise CatalogError(
            f"{name} could not be fetched from the Hugging Face hub (data set {source}, "
            f"{type(error).__name__}): try again with a connection, or name the folder of a "
            "collection"
        ) from error
    corpus, queries, qrels = (_rows(folder, part, source) for part in _PARTS)
    try:
        documents = {str(row["_id"]): row["text"] for row in corpus if row["text"]}
        judgments: dict[str, dict[str, float]] = {}
        for row in qrels:
            judged = judgments.setdefault(str(row["query-id"]), {})
            judged[str(row["corpus-id"])] = float(row.get("score", 1))
        asked = [
            JudgedQuery(str(row["_id"]), row["text"], str(row["_id"]))
            for row in queries
            if row["text"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise CatalogError(f"{source} has not the columns of NanoBEIR: {error!r}") from error
    collection = Collection(name, list(documents), list(documents.values()), asked, judgments)
    check_belongs_together(collection, source)
    return collection


def _rows(folder: Path, part: str, source: str) -> list[dict[str, Any]]:
    try:
        from pyarrow import ArrowException, parquet
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "NanoBEIR needs the package pyarrow, which is not installed; install it with "
            'pip install "sabana-search[training]"'
        ) from error
    files = sorted((folder / part).glob("*.parquet"))
    if not files:
        raise CatalogError(f"{source} has no {part}: it is no NanoBEIR collection")
    try:
        tables = [parquet.read_table(file).to_pylist() for file in files]
    except (ArrowException, OSError) as error:
        raise CatalogError(f"{source}, {part}, cannot be read: {error}") from error
    return [row for table in tables for row in table]
