"""The training loop: steps, measurements, checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.errors import EngineError, ModelError
from indexer.model.precision import choose_device, choose_dtype
from training.atomic_directory import replace_directory
from training.checkpoint import read_checkpoint, write_checkpoint
from training.configuration import Recipe
from training.data.example import Example
from training.data.mixture import Mixture
from training.dev_set import DevFigures, DevSet
from training.interruption import Interruption
from training.learning_curve import draw, write_table
from training.model.loading import load_trainable
from training.model.saving import write_model
from training.model.threads import ShardThreads
from training.model.trainable import TrainableSparseModel
from training.model_card import CardFacts, write_model_card
from training.objective import Objective
from training.optimizer import build_optimizer, set_learning_rates
from training.progress import Progress, Window
from training.run_directory import RunDirectory
from training.schedule import learning_rate_factor, ramp_factor
from training.static_multiplier import static_multiplier
from training.teacher import DenseTeacher

_REPORT_EVERY = 10  # steps


class Trainer:
    """Trains by a recipe into a run's folder.

    Attributes:
        model: the model in training.
        step: steps done.
        steps: steps of the whole run.
        history: what was reported, a row of figures each.
    """

    def __init__(
        self,
        recipe: Recipe,
        examples: Sequence[Sequence[Example]],
        directory: RunDirectory,
        report: Callable[[Progress], None],
    ) -> None:
        """Load the model and what else is needed; `examples` are those of each source."""
        self._recipe = recipe
        self._counts = [len(each) for each in examples]
        self._directory = directory
        self._report = report
        self._device = choose_device(recipe.device)
        dtype = choose_dtype(recipe.dtype, self._device)
        self._mixture = Mixture(examples, [source.weight for source in recipe.sources], recipe.seed)
        self.model = load_trainable(recipe.model, max_length=recipe.max_length)
        multiplier = static_multiplier(self.model, recipe, examples)
        if multiplier is not None:
            self.model.set_static_multiplier(torch.from_numpy(multiplier))
        self.model.static_power = recipe.static_weights.power
        _set_dropout(self.model, recipe.dropout)
        self.model.to(self._device)
        if self._device.type == "cpu" and dtype is torch.bfloat16:
            # The fused attention of CPUs is slow backwards: a step takes a quarter less without.
            self.model.masked_lm.set_attn_implementation("eager")
        self.model.threads = _threads(self.model, self._device)
        self._optimizer = build_optimizer(self.model, recipe.optimizer)
        teacher = None
        if recipe.teacher.model and recipe.losses.teacher:
            teacher = DenseTeacher(recipe.teacher, self._device, self.model.threads, dtype)
        self._objective = Objective(recipe, self.model, dtype, teacher)
        self._dev = DevSet(recipe.dev.collections, recipe.seed) if recipe.dev.collections else None
        self.step = 0
        self.steps = recipe.steps or math.ceil(
            recipe.epochs
            * math.ceil(sum(self._counts) / recipe.batch_size)
            / recipe.gradient_accumulation
        )
        self.history: list[dict[str, float]] = []
        self._best = -math.inf
        self._since_best = 0
        self._saved_at = time.monotonic()

    def train(self, interruption: Interruption) -> None:
        """Do the steps that are left; the run's folder then holds the model and its curve.

        Raises:
            EngineError: the loss is no number any more.
            KeyboardInterrupt: an interruption came; the checkpoint is of the last step, and before
                the first there is none.
        """
        window = Window()
        if self._dev is not None and self.step == 0:
            self._measure(window)
            if interruption.came:
                interruption.act(
                    f"stopped before step 1 of {self.steps:,}; the same command again begins there"
                )
        while self.step < self.steps and not self._is_stuck():
            self._one_step(window)
            at_end = self.step == self.steps
            if self._dev is not None and (at_end or self.step % self._recipe.dev.every == 0):
                self._measure(window)
            elif at_end or self.step % _REPORT_EVERY == 0:
                self._record(window.progress(self.step, self.steps))
                window.clear()
            # Read once: it may come at any moment, and must not end a run that was not saved.
            stopping = interruption.came
            if stopping or self._is_checkpoint_due():
                write_checkpoint(self._directory.checkpoint, self._state())
                self._saved_at = time.monotonic()
            if stopping:
                interruption.act(
                    f"stopped after step {self.step:,} of {self.steps:,}; the same command again "
                    "goes on from there"
                )
        if self._dev is None:
            self._save(None)
        draw(self._directory.curve.with_suffix(".png"), self.history, self._recipe.name)

    def resume(self) -> None:
        """Go on from the checkpoint in the run's folder; raises `ModelError` if it is damaged."""
        path = self._directory.checkpoint
        state = read_checkpoint(path)
        try:
            self.model.load_state_dict(state["model"])
            self._optimizer.load_state_dict(state["optimizer"])
            self._mixture.restore(state["mixture"])
            self._best, self._since_best = state["best"], state["since_best"]
            self.history = state["history"]
            self.step = state["step"]
        except (KeyError, RuntimeError, ValueError) as error:
            raise ModelError(
                f"{path} does not fit this run: --restart begins again without it"
            ) from error

    def _one_step(self, window: Window) -> None:
        recipe = self._recipe
        # All that is random in a step follows from its number: nothing of it need be kept.
        torch.manual_seed(
            int(np.random.SeedSequence([recipe.seed, self.step]).generate_state(1)[0])
        )
        generator = np.random.default_rng([recipe.seed, self.step])
        factor = learning_rate_factor(self.step, self.steps, recipe.optimizer.warmup)
        set_learning_rates(self._optimizer, factor)
        ramp = ramp_factor(self.step, self.steps, recipe.losses.flops_ramp)
        self.model.train()
        for _ in range(recipe.gradient_accumulation):
            rows = self._mixture.batch(recipe.batch_size)
            losses = self._objective(rows, generator, ramp)
            loss = losses.total.item()
            if not math.isfinite(loss):
                raise EngineError(
                    f"the loss is {loss} at step {self.step + 1}: lower the learning rates; the "
                    "last checkpoint stays"
                )
            (losses.total / recipe.gradient_accumulation).backward()  # type: ignore[no-untyped-call]
            window.add(losses.parts, losses.zero_share)
        if recipe.optimizer.gradient_clipping:
            torch.nn.utils.clip_grad_norm_(
                self.model.parameters(), recipe.optimizer.gradient_clipping
            )
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self.step += 1
        window.steps += 1

    def _measure(self, window: Window) -> None:
        assert self._dev is not None
        told = window.progress(self.step, self.steps)
        figures = self._dev.measure(self.model, self._recipe.max_active_dims or None)
        best = figures.ndcg > self._best
        if best:
            self._best, self._since_best = figures.ndcg, 0
            self._save(figures)
        else:
            self._since_best += 1
        self._record(Progress(**{**vars(told), "dev": figures, "best": best}))
        window.clear()

    def _save(self, figures: DevFigures | None) -> None:
        """Write the model as it is now."""
        recipe = self._recipe
        facts = CardFacts(
            recipe=recipe,
            examples=self._counts,
            steps=self.step,
            planned=self.steps,
            vocabulary_size=self.model.vocabulary_size,
            parameters=sum(each.numel() for each in self.model.parameters())
            - self.model.vocabulary_size,
            figures=figures,
            taught=0 if self.model.expansion is None else self.model.expansion.words,
        )

        def write(directory: Path) -> None:
            write_model(
                self.model,
                directory,
                dtype=recipe.save_dtype,
                max_active_dims=recipe.max_active_dims or None,
            )
            write_model_card(directory / "README.md", facts)

        replace_directory(self._directory.model, write)

    def _record(self, progress: Progress) -> None:
        self.history.append(progress.row())
        write_table(self._directory.curve, self.history)
        self._report(progress)

    def _is_checkpoint_due(self) -> bool:
        every = self._recipe.checkpoints
        minutes = (time.monotonic() - self._saved_at) / 60
        by_steps = bool(every.every_steps) and self.step % every.every_steps == 0
        return by_steps or bool(every.every_minutes and minutes > every.every_minutes)

    def _is_stuck(self) -> bool:
        patience = self._recipe.dev.patience
        return bool(patience) and self._since_best >= patience

    def _state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "mixture": self._mixture.state(),
            "step": self.step,
            "best": self._best,
            "since_best": self._since_best,
            "history": self.history,
        }


def _set_dropout(model: TrainableSparseModel, probability: float) -> None:
    if probability >= 0:
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = probability


def _threads(model: TrainableSparseModel, device: torch.device) -> ShardThreads:
    random = any(isinstance(module, torch.nn.Dropout) and module.p for module in model.modules())
    # Threads would take numbers from the one random generator in an order that nobody knows.
    return ShardThreads(1 if random or device.type == "cuda" else None)
