"""Bag of words: the raw logits of a document are to tell which words its query has.

A token whose logit is below zero everywhere is cut off by relu and gets no gradient from any loss
on the activations; this one, on the logits themselves, brings it to life.
"""

from __future__ import annotations

import torch
from torch.nn import functional


def bag_of_words_loss(
    logits: torch.Tensor, presence: torch.Tensor, *, positive_weight: float = 8.0
) -> torch.Tensor:
    """Return the mean binary cross-entropy of "this token is in the document's query".

    `logits` is (B, W), the documents' logits for W tokens before relu, `presence` (B, W) 1 where
    the query of the document has the token and 0 elsewhere; ones count `positive_weight` times.
    """
    if not logits.numel():  # no query of the batch has any token
        return logits.sum()
    weight = torch.tensor(positive_weight, device=logits.device, dtype=logits.dtype)
    return functional.binary_cross_entropy_with_logits(logits, presence, pos_weight=weight)
