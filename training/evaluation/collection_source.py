"""Where a collection comes from: a folder, or NanoBEIR on the hub."""

from __future__ import annotations

import os
from pathlib import Path

from engine.errors import InputNotFoundError
from training.evaluation.beir import read_beir
from training.evaluation.collection import Collection
from training.evaluation.nano_beir import NAMES, full_name, read_nano_beir


def load_collection(name_or_folder: str | os.PathLike[str]) -> Collection:
    """Read a collection: a folder in BEIR form, or a NanoBEIR name such as "NanoMSMARCO".

    Raises:
        InputNotFoundError: there is none of that name.
        CatalogError: it cannot be read.
    """
    folder = Path(name_or_folder)
    if folder.exists():
        return read_beir(folder)
    if isinstance(name_or_folder, str) and (name := full_name(name_or_folder)) is not None:
        return read_nano_beir(name)
    raise InputNotFoundError(
        f"there is no collection {folder}: name a folder with corpus.jsonl, queries.jsonl and "
        f"qrels.tsv, or one of {', '.join(NAMES)}"
    )
