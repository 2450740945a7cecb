"""Encoding speed beside sentence-transformers, on the same titles in the same run.

    python -m benchmarks.encode --catalog amazon-walmart.jsonl.gz --documents 2000

Rounds are interleaved (ours, theirs, ours, theirs, ...), so that a busy machine slows both alike;
the figures are medians over the rounds. sentence-transformers runs with its default batch size and
with the best one of a few, chosen on a tenth of the titles beforehand; both encode in float32 on
the CPU unless told otherwise. It loads float16 weights as float16 by default, which is several
times slower on a CPU, so it is told to use float32.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from scipy.sparse import csr_matrix

from benchmarks.command_line import run
from indexer.model import SparseModel
from indexer.model.source import find_model_directory

DEFAULT_BATCH_SIZE = 32


@dataclass(frozen=True)
class EncodingSpeed:
    """Medians over the rounds, in titles a second; `ratio` is ours to theirs."""

    documents: int
    rounds: int
    threads: int
    ours: float
    theirs_default: float
    theirs_best: float
    theirs_best_batch_size: int
    ratio_default: float
    ratio_best: float
    largest_difference: float


def read_titles(catalog: Path, field: str, count: int) -> list[str]:
    titles: list[str] = []
    opener: Callable[..., Any] = gzip.open if catalog.suffix == ".gz" else open
    with opener(catalog, "rt", encoding="utf-8") as lines:
        for line in lines:
            if len(titles) == count:
                break
            titles.append(str(json.loads(line)[field]))
    return titles


def seconds(encode: Callable[[], object]) -> float:
    start = time.perf_counter()
    encode()
    return time.perf_counter() - start


def to_csr(embeddings: torch.Tensor) -> csr_matrix:
    embeddings = embeddings.coalesce()
    values = embeddings.values().float().numpy()
    return csr_matrix((values, embeddings.indices().numpy()), shape=tuple(embeddings.shape))


def compare(
    titles: list[str], model: str | None, rounds: int, batch_sizes: list[int]
) -> EncodingSpeed:
    from sentence_transformers import SparseEncoder

    ours = SparseModel.load(model, device="cpu", dtype="float32")
    directory = find_model_directory(model)[1]
    theirs = SparseEncoder(
        str(directory),
        device="cpu",
        trust_remote_code=True,  # the document expansion is a module of ours
        model_kwargs={"dtype": "float32"},
    )

    def encode_theirs(batch_size: int, texts: list[str]) -> torch.Tensor:
        embeddings: torch.Tensor = theirs.encode_document(
            texts, batch_size=batch_size, show_progress_bar=False
        )
        return embeddings

    sample = titles[::10] or titles
    difference = abs(ours.encode_document(sample) - to_csr(encode_theirs(8, sample))).max()
    probes = [
        (seconds(functools.partial(encode_theirs, size, sample)), size) for size in batch_sizes
    ]
    best = min(probes)[1]

    times: dict[str, list[float]] = {"ours": [], "default": [], "best": []}
    for _ in range(rounds):
        times["ours"].append(seconds(lambda: ours.encode_document(titles)))
        times["default"].append(seconds(lambda: encode_theirs(DEFAULT_BATCH_SIZE, titles)))
        if best != DEFAULT_BATCH_SIZE:
            times["ours"].append(seconds(lambda: ours.encode_document(titles)))
            times["best"].append(seconds(lambda: encode_theirs(best, titles)))
    times["best"] = times["best"] or times["default"]
    speed = {name: len(titles) / statistics.median(values) for name, values in times.items()}
    return EncodingSpeed(
        documents=len(titles),
        rounds=rounds,
        threads=torch.get_num_threads(),
        ours=round(speed["ours"], 1),
        theirs_default=round(speed["default"], 1),
        theirs_best=round(speed["best"], 1),
        theirs_best_batch_size=best,
        ratio_default=round(speed["ours"] / speed["default"], 2),
        ratio_best=round(speed["ours"] / speed["best"], 2),
        largest_difference=float(difference),
    )


def print_table(speed: EncodingSpeed) -> None:
    default = "sentence-transformers, batch 32 (its default)"
    best = f"sentence-transformers, batch {speed.theirs_best_batch_size} (its best)"
    print(f"{speed.documents} titles, {speed.threads} threads, median of {speed.rounds} rounds")
    print(f"{'encoder':46}{'titles/s':>10}{'ours is':>10}")
    print(f"{'indexer.SparseModel':46}{speed.ours:10.1f}{'':>10}")
    for name, rate, ratio in (
        (default, speed.theirs_default, speed.ratio_default),
        (best, speed.theirs_best, speed.ratio_best),
    ):
        print(f"{name:46}{rate:10.1f}{f'{ratio:.2f} x':>10}")
    print(f"largest difference of any weight: {speed.largest_difference:.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--catalog", type=Path, required=True, help="JSON Lines, plain or gzip")
    parser.add_argument("--field", default="title", help="field to encode")
    parser.add_argument("--documents", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default=None, help="directory or name; default: the embedded")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[8, 32, 64])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    titles = read_titles(arguments.catalog, arguments.field, arguments.documents)
    speed = compare(titles, arguments.model, arguments.rounds, arguments.batch_sizes)
    if arguments.json:
        print(json.dumps(asdict(speed)))
    else:
        print_table(speed)


if __name__ == "__main__":
    sys.exit(run(main))
