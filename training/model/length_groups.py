"""Grouping texts by length, so that little padding goes through the transformer."""

from __future__ import annotations

import numpy as np

# What a forward and backward pass costs besides its tokens, in tokens; measured on 2 cores.
_PASS_COST = {"cpu": 120, "cuda": 4096}


def length_groups(
    lengths: np.ndarray, device: str = "cpu", *, shards: int = 1, most_tokens: int = 16384
) -> list[list[np.ndarray]]:
    """Split texts into groups, each padded to its longest, at the least cost, for `shards` threads.

    `lengths` is (n,) int64, in tokens, n >= 1. Returns a list for each shard, none of them empty,
    of groups, which are positions of texts. The shards have about equal numbers of tokens. A group
    holds at most `most_tokens` tokens with padding, or one text.
    """
    order = np.argsort(-lengths, kind="stable")
    # Longest first, each to the shard that has the least: no shard has much more than another.
    members: list[list[int]] = [[] for _ in range(min(shards, len(order)))]
    tokens = [0] * len(members)
    for text in order.tolist():
        least = tokens.index(min(tokens))
        members[least].append(text)
        tokens[least] += int(lengths[text]) + 1
    return [_groups(np.array(each), lengths, _PASS_COST[device], most_tokens) for each in members]


def _groups(
    order: np.ndarray, lengths: np.ndarray, pass_cost: int, most_tokens: int
) -> list[np.ndarray]:
    ordered = lengths[order]
    count = len(ordered)
    best = np.zeros(count + 1)  # least cost of the first texts
    begins = np.zeros(count + 1, dtype=np.int64)
    starts = np.arange(count)
    for end in range(1, count + 1):
        padded = ordered[:end] * (end - starts[:end])
        costs = best[:end] + padded + pass_cost
        costs[: end - 1][padded[: end - 1] > most_tokens] = np.inf
        begins[end] = int(np.argmin(costs))
        best[end] = costs[begins[end]]
    groups = []
    end = count
    while end > 0:
        groups.append(order[begins[end] : end])
        end = int(begins[end])
    return groups[::-1]
