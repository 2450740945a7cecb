"""The fixed part of the static weights: idf, and next to nothing for function words.

Learning alone leaves "?", "de" and "en" among the heavy tokens: a batch holds too few documents to
tell that they match everything.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.configuration import Recipe
from training.data.example import Example
from training.idf import query_idf
from training.model.trainable import TrainableSparseModel

_SMALLEST_IDF = 1e-3


def static_multiplier(
    model: TrainableSparseModel, recipe: Recipe, examples: Sequence[Sequence[Example]]
) -> np.ndarray | None:
    """Return what the learned weight of each token is multiplied by, (V,) float32.

    None where the recipe wants nothing of the kind. `examples` are those of each source.
    """
    settings = recipe.static_weights
    if not settings.idf and not settings.function_words:
        return None
    multiplier = np.ones(model.vocabulary_size, dtype=np.float32)
    # "sabana" and "sábana" are one token, which counts once.
    of_function_words = np.zeros(model.vocabulary_size, dtype=np.bool_)
    if settings.idf:
        idf = query_idf(model, recipe.sources, examples) / settings.idf_scale
        multiplier = np.maximum(idf, np.float32(_SMALLEST_IDF))
    (prompt,) = model.query_tokens([""])
    for ids in model.query_tokens(sorted(set(settings.function_words))):
        own = np.setdiff1d(ids, prompt)
        if len(own) == 1:
            of_function_words[own] = True
    multiplier[of_function_words] *= np.float32(settings.function_word_weight)
    return multiplier
