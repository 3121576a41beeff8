"""Draft, critique, revision (Bai et al. 2022, "Constitutional AI", arXiv:2212.08073, section 3): kept only when it is better.

A reviser proposes; the evaluator decides. Failures are errors: no draft, critique or revision is ever a sentence about a failure.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from model_layer.constitution.continuations import Sampling, continuations
from model_layer.constitution.critique import Criticism, critique
from model_layer.constitution.errors import RevisionFailedError
from model_layer.constitution.evaluation import Evaluation, Evaluator, Mode
from model_layer.constitution.pairs import Pair
from model_layer.constitution.principles import Principle
from model_layer.constitution.revision import rewrite
from model_layer.constitution.rules import RuleJudge
from model_layer.language_model import LanguageModel

DRAFT = Sampling(max_new_tokens=60, temperature=0.9, top_k=50)
MOST_SAMPLES = 8


class Reviser(Protocol):
    """Proposes texts that may be better than a draft after the same prompt, the most promising first."""

    name: str

    def propose(self, prompt: str, draft: str, evaluation: Evaluation) -> Iterator[str]:
        """Candidates for the text after the prompt."""


@dataclass(frozen=True, slots=True)
class Revised:
    """A draft after a prompt and what became of it. Without a revision that scored lower, `revision` is None."""

    prompt: str
    draft: str
    before: Evaluation
    criticisms: tuple[Criticism, ...]
    revision: str | None
    after: Evaluation | None
    reviser: str

    def pair(self) -> Pair:
        """Revision over draft, with where they come from. Raises RevisionFailedError when there is no revision."""
        if self.revision is None or self.after is None:
            raise RevisionFailedError("there is no revision that scored lower than the draft")
        worst = max((result for result in self.before.results if result.flagged), key=lambda result: result.weight)
        scores = {"chosen_score": self.after.weighted_score, "rejected_score": self.before.weighted_score}
        return Pair(self.prompt, self.revision, self.draft, principle=worst.principle, reviser=self.reviser, **scores)


class RewritingReviser:
    """Rewrites what the rules object to, or ends the sentence otherwise: the same draft always gives the same revision."""

    name = "rewriting"

    def __init__(self, principles: Sequence[Principle]) -> None:
        self._judges: Mapping[Principle, RuleJudge] = {principle: RuleJudge(principle) for principle in principles}

    def propose(self, prompt: str, draft: str, evaluation: Evaluation) -> Iterator[str]:
        """The draft rewritten by each principle in turn, if the prompt can stay as it is; then other ends of the sentence."""
        text = prompt + draft
        for principle, judge in self._judges.items():
            if spans := judge.spans(text):
                text = rewrite(text, principle, spans)
        if text.startswith(prompt):
            yield text.removeprefix(prompt)
        for result in sorted(evaluation.results, key=lambda result: -result.weight):
            if result.flagged:
                yield from other_ends().get(result.principle, ())


class SamplingReviser:
    """Draws other texts from the model; the evaluator rejects those that are no better."""

    name = "sampling"

    def __init__(self, model: LanguageModel, seed: str, *, samples: int = MOST_SAMPLES, sampling: Sampling = DRAFT) -> None:
        self._model, self._seed, self._samples, self._sampling = model, seed, samples, sampling

    def propose(self, prompt: str, draft: str, evaluation: Evaluation) -> Iterator[str]:
        """As many candidates as there are samples, drawn together."""
        del draft, evaluation
        seeds = [f"{self._seed}:{sample}" for sample in range(self._samples)]
        yield from continuations(self._model, [prompt] * self._samples, seeds, self._sampling)


@cache
def other_ends() -> Mapping[str, tuple[str, ...]]:
    """By principle, ends for a sentence that began badly."""
    body = json.loads((Path(__file__).parent / "data" / "other_ends.json").read_text(encoding="utf-8"))
    return {principle: tuple(ends) for principle, ends in body.items()}


def revise(prompt: str, draft: str, evaluator: Evaluator, mode: Mode, reviser: Reviser) -> Revised:
    """Judge a draft as what follows the prompt and, when it is flagged, take the first proposal that scores lower."""
    before = _judged(prompt, draft, evaluator, mode)
    proposals = reviser.propose(prompt, draft, before) if before.weighted_score else iter(())
    judged = ((proposal, _judged(prompt, proposal, evaluator, mode)) for proposal in proposals if proposal.strip())
    better = ((proposal, after) for proposal, after in judged if after.weighted_score < before.weighted_score)
    revision, after = next(better, (None, None))
    return Revised(prompt, draft, before, tuple(critique(before)), revision, after, reviser.name)


def _judged(prompt: str, text: str, evaluator: Evaluator, mode: Mode) -> Evaluation:
    return evaluator.evaluate([prompt + text], mode, starts=[len(prompt)])[0]
