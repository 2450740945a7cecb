"""The companion: trains inference-free SPLADE models and evaluates them."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training.configuration import Recipe
    from training.evaluation.collection import Collection, query_split
    from training.evaluation.collection_source import load_collection
    from training.evaluation.evaluation import evaluate
    from training.evaluation.report import EvaluationReport
    from training.mining import mine_negatives
    from training.model.lexicon import teach
    from training.model.loading import load_trainable
    from training.model.saving import write_model
    from training.recipe_file import read_recipe
    from training.training_run import TrainingSummary, train

__all__ = [
    "Collection",
    "EvaluationReport",
    "Recipe",
    "TrainingSummary",
    "evaluate",
    "load_collection",
    "load_trainable",
    "mine_negatives",
    "query_split",
    "read_recipe",
    "teach",
    "train",
    "write_model",
]

# Torch and what measures rankings take seconds to import: nothing is until it is used.
_HOMES = {
    "Collection": "training.evaluation.collection",
    "EvaluationReport": "training.evaluation.report",
    "Recipe": "training.configuration",
    "TrainingSummary": "training.training_run",
    "evaluate": "training.evaluation.evaluation",
    "load_collection": "training.evaluation.collection_source",
    "load_trainable": "training.model.loading",
    "mine_negatives": "training.mining",
    "query_split": "training.evaluation.collection",
    "read_recipe": "training.recipe_file",
    "teach": "training.model.lexicon",
    "train": "training.training_run",
    "write_model": "training.model.saving",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
