"""How long and how fast a fine-tuning run learns, and what it tells of its progress. Knows nothing of torch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

Phase = Literal["sft", "dpo"]
PHASES: tuple[Phase, Phase] = ("sft", "dpo")


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides a run besides its pairs and its base; each of the two phases lasts `epochs`.

    `prompts` is how many the drafts are made of, `batch` counts pairs, `max_tokens` bounds prompt and completion together.
    """

    name: str
    prompts: int
    epochs: int
    batch: int
    sft_learning_rate: float
    dpo_learning_rate: float
    beta: float
    max_tokens: int
    checkpoint_every_steps: int
    seed: int

    def steps(self, pairs: int) -> int:
        """Steps of one phase over so many pairs. The last batch may be smaller, and one may reach over two epochs."""
        return math.ceil(self.epochs * pairs / self.batch)

    def batch_of(self, step: int, *, pairs: int, phase: Phase) -> list[int]:
        """Indices of the pairs of a phase's step: every epoch shows each once, in an order of its own."""
        positions = range(step * self.batch, min((step + 1) * self.batch, self.epochs * pairs))
        return [self._order(position // pairs, pairs, phase)[position % pairs] for position in positions]

    def _order(self, epoch: int, pairs: int, phase: Phase) -> list[int]:
        order: list[int] = np.random.default_rng([self.seed, PHASES.index(phase), epoch]).permutation(pairs).tolist()
        return order


@dataclass(frozen=True, slots=True)
class Progress:
    """One step that was done: `step` of `steps` of both phases together; `margin` is DPO's, in nats; ETA in seconds."""

    phase: Phase
    step: int
    steps: int
    loss: float
    margin: float | None
    eta_s: float


QUICK_DEMO = Plan(
    name="quick_demo",
    prompts=20,
    epochs=2,
    batch=4,
    sft_learning_rate=5e-5,
    dpo_learning_rate=5e-5,
    beta=0.1,
    max_tokens=128,
    checkpoint_every_steps=5,
    seed=20,
)
STANDARD = replace(QUICK_DEMO, name="standard", prompts=50, epochs=5, checkpoint_every_steps=10)
PLANS: Mapping[str, Plan] = {plan.name: plan for plan in (QUICK_DEMO, STANDARD)}
