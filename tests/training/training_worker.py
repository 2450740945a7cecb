"""Trains in a process of its own, which a test ends.

Arguments are a recipe file, a folder, and the step after which to wait for the end of the input.
"""

from __future__ import annotations

import sys

import torch

from training.progress import Progress
from training.recipe_file import read_recipe
from training.training_run import train


def report(progress: Progress) -> None:
    print("step", progress.step, flush=True)
    if progress.step == int(sys.argv[3]):
        sys.stdin.read()


def main() -> None:
    torch.set_num_threads(1)
    summary = train(
        read_recipe(sys.argv[1]),
        sys.argv[2],
        report=report,
        tell=lambda sentence: print(sentence, file=sys.stderr, flush=True),
    )
    print("done", summary.steps, flush=True)


if __name__ == "__main__":
    main()
