"""Trains in a process of its own, which a test ends: arguments are a recipe file and a folder."""

from __future__ import annotations

import sys

import torch

from training.recipe_file import read_recipe
from training.training_run import train


def main() -> None:
    torch.set_num_threads(1)
    summary = train(
        read_recipe(sys.argv[1]),
        sys.argv[2],
        report=lambda progress: print("step", progress.step, flush=True),
        tell=lambda sentence: print(sentence, file=sys.stderr, flush=True),
    )
    print("done", summary.steps, flush=True)


if __name__ == "__main__":
    main()
