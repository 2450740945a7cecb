"""How learning rates and weights of losses change over the steps of a run."""

from __future__ import annotations

import math


def learning_rate_factor(step: int, steps: int, warmup: float) -> float:
    """Return the factor on learning rates at `step` (from 0): linear up, then linear down to 0.

    The rise takes the share `warmup` of all `steps`, rounded up to whole steps. This is the
    linear schedule of transformers.
    """
    rising = math.ceil(warmup * steps)
    if step < rising:
        return step / max(1, rising)
    return max(0.0, (steps - step) / max(1, steps - rising))


def ramp_factor(step: int, steps: int, ramp: float) -> float:
    """Return the factor on the FLOPS weight at `step` (from 0): quadratic up to 1, then 1.

    The rise takes the share `ramp` of all `steps`, rounded down but at least one step, as
    sentence-transformers schedules the regularizers of SPLADE.
    """
    if ramp <= 0:
        return 1.0
    rising = max(1, int(steps * ramp))
    return 1.0 if step >= rising else (step / rising) ** 2
