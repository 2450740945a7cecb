"""Recipes: everything that decides how a model is trained."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from engine.errors import UsageError


@dataclass(frozen=True)
class Source:
    """Files of training examples that are drawn from with one share of each batch.

    Attributes:
        paths: files, in the forms that `training.data.reading` knows.
        weight: the source's share of a batch, in proportion to the weights of the others.
        teacher: whether the dense teacher has a say on its examples (see `Losses.teacher`).
    """

    paths: tuple[str, ...]
    weight: float = 1.0
    teacher: bool = False


@dataclass(frozen=True)
class Optimizer:
    """AdamW and the learning rates, which fall linearly to 0 after a linear warm-up.

    Attributes:
        learning_rate: of the document encoder.
        static_weights_learning_rate: of the queries' static weights.
        output_bias_learning_rate: of the bias of the vocabulary head.
        weight_decay: of matrices; biases, layer norms and static weights have none.
        warmup: share of the steps over which the rates rise from 0.
        gradient_clipping: largest norm of the whole gradient; 0 leaves it as it is.
    """

    learning_rate: float = 1.5e-4
    static_weights_learning_rate: float = 3e-3
    output_bias_learning_rate: float = 1e-2
    weight_decay: float = 0.01
    warmup: float = 0.06
    gradient_clipping: float = 5.0


@dataclass(frozen=True)
class Losses:
    """What is minimised: the sum of these, each times its weight; 0 leaves a loss out.

    Attributes:
        ranking: in-batch cross-entropy.
        ranking_scale: factor on the scores in it.
        flops: FLOPS regularizer of the documents.
        flops_ramp: share of the steps over which its weight rises quadratically from 0.
        bag_of_words: cross-entropy of the words of the query on the document's raw logits.
        bag_of_words_positive_weight: how many times a word that is there counts.
        teacher: KL to the in-batch scores of a dense teacher, on examples of sources that let it.
        margin_mse: to the margins of the scores given with the examples.
        kl: to the distribution of the scores given with the examples.
        kl_temperature: of both distributions.
    """

    ranking: float = 1.0
    ranking_scale: float = 1.0
    flops: float = 8e-3
    flops_ramp: float = 1 / 3
    bag_of_words: float = 2.0
    bag_of_words_positive_weight: float = 8.0
    teacher: float = 1.0
    margin_mse: float = 0.0
    kl: float = 0.0
    kl_temperature: float = 1.0


@dataclass(frozen=True)
class Teacher:
    """A frozen dense sentence encoder; mean of the token states, cosine times `scale`.

    Attributes:
        model: folder or hub name; empty for none.
        scale: factor on the cosine.
        query_prompt: text before each query, such as "query: ".
        document_prompt: text before each document.
        max_length: longest text in tokens.
    """

    model: str = ""
    scale: float = 20.0
    query_prompt: str = ""
    document_prompt: str = ""
    max_length: int = 128


@dataclass(frozen=True)
class StaticWeights:
    """The query side.

    Attributes:
        idf: hold the weights near the inverse document frequency among the training queries: the
            weight of a token is what is learned times its idf.
        idf_scale: the idf is divided by this.
        function_words: words that say nothing about what is searched for, such as "de" and
            "busco". Those that the tokenizer keeps whole begin at `function_word_weight` times
            what they would weigh otherwise, unless the model has learned weights already.
        function_word_weight: the factor; above 0, so that a query of such words alone finds
            something.
        power: the saved weights are those of the training to this power; above 1 tells rare tokens
            from frequent ones more clearly. A batch has few documents, a catalog many.
    """

    idf: bool = False
    idf_scale: float = 8.0
    function_words: tuple[str, ...] = ()
    function_word_weight: float = 0.02
    power: float = 1.0


@dataclass(frozen=True)
class DevCollection:
    """A judged collection that is measured on the way, as a whole or a part of it.

    Attributes:
        path: folder in BEIR form, or a name that `engine evaluate` knows.
        queries: file of other texts for its queries, such as translations; empty for its own.
        kind: take only queries of this kind or language; empty for all.
        split: "dev" or "test" takes that part of the queries, see `query_split`; empty for all.
        max_queries: take so many queries, spread evenly; 0 for all.
        max_documents: take all documents that are judged for these queries, and others up to this
            number; 0 for all.
        weight: in the mean that decides which model is the best.
    """

    path: str
    queries: str = ""
    kind: str = ""
    split: str = ""
    max_queries: int = 0
    max_documents: int = 0
    weight: float = 1.0


@dataclass(frozen=True)
class Dev:
    """Measuring on the way, by graded nDCG@10 in exact search; the best model is kept.

    Attributes:
        collections: the mean over them decides which model is the best.
        every: steps between two measurements.
        patience: measurements without a new best after which training stops; 0 for never.
    """

    collections: tuple[DevCollection, ...] = ()
    every: int = 100
    patience: int = 0


@dataclass(frozen=True)
class Checkpoints:
    """When the state of a run is written, so that it can go on after an interruption.

    Attributes:
        every_steps: steps between two checkpoints; 0 for none by steps.
        every_minutes: minutes between two checkpoints; 0 for none by time.
    """

    every_steps: int = 0
    every_minutes: float = 10.0


@dataclass(frozen=True)
class Mining:
    """Hard negatives: documents that the starting model ranks high and that are not the answer.

    Attributes:
        negatives: negatives mined for each example; 0 for none.
        depth: how deep in the ranking they are looked for.
        skip: so many of the highest are passed over.
        margin: a document that scores above this share of the own document's score is taken for
            another right answer, not for a negative; 0 takes all.
        max_examples: mine for so many examples of each source at most; 0 for all.
    """

    negatives: int = 0
    depth: int = 30
    skip: int = 0
    margin: float = 0.95
    max_examples: int = 0


@dataclass(frozen=True)
class Recipe:
    """A training run.

    Attributes:
        name: what the recipe is called.
        model: where training starts: a folder or hub name of a masked language model, of a plain
            BERT encoder or of an inference-free SPLADE model; "default" for the embedded one.
        seed: everything random follows from it.
        steps: optimizer steps; 0 takes `epochs`.
        epochs: passes over all examples, where `steps` is 0.
        batch_size: examples that rank each other's documents.
        gradient_accumulation: batches of one optimizer step.
        negatives: negatives of each example that are used, at most.
        sampled_vocabulary: random tokens that the head is computed for besides the tokens of the
            batch's queries; 0 computes all.
        max_length: longest document in tokens; the saved model keeps it.
        training_length: longest document in tokens while training, which may be shorter to save
            time; 0 for `max_length`.
        dropout: probability, in place of the model's own; negative keeps the model's own.
        dtype: "float32", "bfloat16" or "auto".
        device: "cpu", "cuda" or "auto".
        save_dtype: number format of the saved document encoder, "float32" or "float16".
        max_active_dims: the saved model keeps so many entries of a document; 0 for all.
    """

    name: str = "custom"
    model: str = "default"
    seed: int = 42
    steps: int = 0
    epochs: float = 1.0
    batch_size: int = 64
    gradient_accumulation: int = 1
    negatives: int = 4
    sampled_vocabulary: int = 0
    max_length: int = 256
    training_length: int = 0
    dropout: float = -1.0
    dtype: str = "auto"
    device: str = "auto"
    save_dtype: str = "float32"
    max_active_dims: int = 0
    sources: tuple[Source, ...] = ()
    optimizer: Optimizer = field(default_factory=Optimizer)
    losses: Losses = field(default_factory=Losses)
    teacher: Teacher = field(default_factory=Teacher)
    static_weights: StaticWeights = field(default_factory=StaticWeights)
    dev: Dev = field(default_factory=Dev)
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    mining: Mining = field(default_factory=Mining)

    def __post_init__(self) -> None:
        for problem in _problems(self):
            raise UsageError(problem)

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain values, in the form of a recipe file."""
        return dataclasses.asdict(self)

    def identity(self) -> dict[str, Any]:
        """Return the values that decide what comes out, without where and how often it is saved."""
        values = self.to_dict()
        for name in ("name", "device", "checkpoints"):
            del values[name]
        for source in values["sources"]:
            del source["paths"]  # it is their content that counts
        return values


_CHOICES = {
    "dtype": ("auto", "float32", "bfloat16"),
    "device": ("auto", "cpu", "cuda"),
    "save_dtype": ("float32", "float16"),
}
_POSITIVE = ("batch_size", "gradient_accumulation")


def _problems(recipe: Recipe) -> Iterator[str]:
    for name, choices in _CHOICES.items():
        if getattr(recipe, name) not in choices:
            yield f"{name} is {getattr(recipe, name)!r}: use {', '.join(choices)}"
    for name in _POSITIVE:
        if getattr(recipe, name) < 1:
            yield f"{name} is {getattr(recipe, name)}: it must be 1 or more"
    if recipe.max_length < 3:
        yield f"max_length is {recipe.max_length}: it must be 3 or more"
    if 0 < recipe.training_length < 3:
        yield f"training_length is {recipe.training_length}: it must be 3 or more, or 0"
    if not recipe.dropout < 1:
        yield f"dropout is {recipe.dropout}: it must be below 1"
    for collection in recipe.dev.collections:
        if collection.split not in ("", "dev", "test"):
            yield f'split is {collection.split!r}: use "dev", "test" or ""'
    if recipe.dev.every < 1:
        yield f"dev.every is {recipe.dev.every}: it must be 1 or more"
    losses = recipe.losses
    if not any((losses.ranking, losses.bag_of_words, losses.margin_mse, losses.kl, losses.teacher)):
        yield "every loss is 0: nothing would be learned"
    if not losses.kl_temperature:
        yield "kl_temperature must be above 0"
    if recipe.steps < 0 or recipe.epochs <= 0:
        yield "steps must not be negative and epochs must be above 0"
    parts = (recipe, recipe.optimizer, recipe.losses, recipe.static_weights)
    for part in (*parts, recipe.checkpoints, recipe.mining):
        for item in dataclasses.fields(part):
            value = getattr(part, item.name)
            if not isinstance(value, int | float) or item.name == "dropout":
                continue
            if not 0 <= value < math.inf:
                yield f"{item.name} is {value}: it must be a number that is not negative"
    for name, share in (
        ("warmup", recipe.optimizer.warmup),
        ("flops_ramp", recipe.losses.flops_ramp),
    ):
        if share > 1:
            yield f"{name} is {share}: it is a share of the steps, at most 1"
    if not all(0 < source.weight < math.inf for source in recipe.sources):
        yield "the weight of a source must be above 0; leave a source out that has none"
    if any(not source.paths for source in recipe.sources):
        yield "a source has no paths"
