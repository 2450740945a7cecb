"""Drawing batches from several sources, each with its share, without repetition.

What a mixture draws follows from its seed and from how many batches it has given: its whole state
is a small JSON object, so that a run can go on exactly where it was interrupted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.errors import UsageError
from training.data.example import Example

_TRIES = 50  # candidates looked at for each example that is wanted


@dataclass(frozen=True)
class Row:
    """An example in a batch, and the number of the source that it was drawn from."""

    example: Example
    source: int


class Mixture:
    """Batches of examples that share no query, no document and no key."""

    def __init__(
        self, sources: Sequence[Sequence[Example]], weights: Sequence[float], seed: int
    ) -> None:
        for number, source in enumerate(sources):
            if not source:
                raise UsageError(
                    f"source {number + 1} of the training data holds no usable example"
                )
        total = sum(weights)
        self._shares = [weight / total for weight in weights]
        self._draws = [_Draw(source, (seed, at)) for at, source in enumerate(sources)]
        self._owed = [0.0] * len(sources)

    def batch(self, size: int) -> list[Row]:
        """Return the next `size` examples.

        Fewer where the sources are so small that no more examples go together. Over many batches
        each source has its share, whatever the size of a batch is.
        """
        taken: set[str] = set()
        rows: list[Row] = []
        counts = self._counts(size)
        for number, (draw, count) in enumerate(zip(self._draws, counts, strict=True)):
            rows += [Row(example, number) for example in draw.take(count, taken)]
        return rows

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs to go on from here, as JSON values."""
        return {"owed": self._owed, "draws": [draw.state() for draw in self._draws]}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state of a mixture of the same sources, weights and seed."""
        self._owed = list(state["owed"])
        for draw, each in zip(self._draws, state["draws"], strict=True):
            draw.restore(each)

    def _counts(self, size: int) -> list[int]:
        owed = [left + share * size for left, share in zip(self._owed, self._shares, strict=True)]
        counts = [max(0, int(each)) for each in owed]
        by_rest = sorted(range(len(owed)), key=lambda at: (counts[at] - owed[at], at))
        for at in by_rest[: max(0, size - sum(counts))]:
            counts[at] += 1
        self._owed = [each - count for each, count in zip(owed, counts, strict=True)]
        return counts


class _Draw:
    """The examples of one source in an order that is new in each epoch."""

    def __init__(self, examples: Sequence[Example], seed: tuple[int, int]) -> None:
        self._examples = examples
        self._seed = seed
        self._epoch = 0
        self._position = 0
        # Drawn before, but in conflict with the batch of then: they come first in the next.
        self._waiting: list[int] = []
        # Those that waited when the epoch began; they are not drawn in it a second time.
        self._late: list[int] = []
        self._order = self._shuffled()

    def take(self, count: int, taken: set[str]) -> list[Example]:
        """Return `count` examples that share nothing with `taken`, which grows by their texts."""
        chosen: list[Example] = []
        waiting, self._waiting = self._waiting, []
        # In a source of few different texts no more may fit: then the batch stays smaller.
        tries = len(waiting) + _TRIES * count
        for tried, at in enumerate(self._candidates(waiting)):
            if len(chosen) == count or tried == tries:
                self._waiting.append(at)
                self._waiting += waiting[tried + 1 :]
                break
            example = self._examples[at]
            texts = _texts(example)
            if taken.isdisjoint(texts):
                taken |= texts
                chosen.append(example)
            else:
                self._waiting.append(at)
        return chosen

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs, as JSON values."""
        return {
            "epoch": self._epoch,
            "position": self._position,
            "waiting": list(self._waiting),
            "late": list(self._late),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state of a draw of the same examples and seed."""
        self._epoch, self._position = state["epoch"], state["position"]
        self._waiting, self._late = list(state["waiting"]), list(state["late"])
        self._order = self._shuffled()

    def _candidates(self, waiting: list[int]) -> Iterator[int]:
        yield from waiting
        while True:
            if self._position == len(self._order):
                self._epoch, self._position = self._epoch + 1, 0
                self._late = list(self._waiting)
                self._order = self._shuffled()
                if not len(self._order):
                    return
            self._position += 1
            yield int(self._order[self._position - 1])

    def _shuffled(self) -> np.ndarray:
        generator = np.random.default_rng([*self._seed, self._epoch])
        order = generator.permutation(len(self._examples))
        return order[~np.isin(order, self._late)] if self._late else order


def _texts(example: Example) -> set[str]:
    """What must differ between the examples of a batch."""
    texts = {"q" + example.query.casefold(), "d" + example.document.casefold()}
    texts.update("d" + negative.casefold() for negative in example.negatives)
    if example.key:
        texts.add("k" + example.key)
    return texts
