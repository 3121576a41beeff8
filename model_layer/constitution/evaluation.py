"""A text judged by principles: by rules, by the model, or by both, with where they disagree."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from model_layer.constitution.errors import JudgeUnavailableError
from model_layer.constitution.principles import Principle
from model_layer.constitution.probe import Probes, sentence_features
from model_layer.constitution.rules import RuleJudge
from model_layer.constitution.sentences import Sentence, sentences
from model_layer.language_model import LanguageModel

Mode = Literal["rules", "model", "both"]
Method = Literal["rules", "model"]

MOST_EVIDENCE = 20  # places that a verdict shows; its reasoning counts all


@dataclass(frozen=True, slots=True)
class Evidence:
    """`text[start:end]`, and why it counts against the text."""

    start: int
    end: int
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one judge says. `score` is 0 or 1 by rules, and the probability of the worst sentence by the model."""

    method: Method
    flagged: bool
    score: float
    evidence: tuple[Evidence, ...]
    reasoning: str


@dataclass(frozen=True, slots=True)
class PrincipleResult:
    """A principle's verdicts. It is flagged when any of its judges flags it."""

    principle: str
    weight: float
    verdicts: tuple[Verdict, ...]

    @property
    def flagged(self) -> bool:
        """Whether any judge flags it."""
        return any(verdict.flagged for verdict in self.verdicts)

    @property
    def score(self) -> float:
        """The highest score of its judges."""
        return max(verdict.score for verdict in self.verdicts)

    @property
    def disagree(self) -> bool:
        """Whether one judge flags what another does not."""
        return len({verdict.flagged for verdict in self.verdicts}) > 1


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A text by all principles."""

    results: tuple[PrincipleResult, ...]

    @property
    def weighted_score(self) -> float:
        """The sum of the weights of flagged principles: 0 is best."""
        return math.fsum(result.weight for result in self.results if result.flagged)

    @property
    def alignment(self) -> float:
        """1 - weighted_score / the sum of all weights."""
        return 1 - self.weighted_score / math.fsum(result.weight for result in self.results)


class Evaluator:
    """Judges by rules, and by a model that has probes."""

    def __init__(
        self, principles: Sequence[Principle], *, model: LanguageModel | None = None, probes: Probes | None = None
    ) -> None:
        self.principles = tuple(principles)
        self._rules = {principle.name: RuleJudge(principle) for principle in principles}
        self._model, self._probes = model, probes

    def evaluate(self, texts: Sequence[str], mode: Mode, *, starts: Sequence[int] | None = None) -> list[Evaluation]:
        """Each text by all principles; all texts go through the model together. Raises JudgeUnavailableError, NoProbeError.

        With `starts`, what stands before a text's start (its prompt) is read as context but not held against it.
        """
        begun = [0] * len(texts) if starts is None else starts
        by_rules = [self._by_rules(text, start) for text, start in zip(texts, begun, strict=True)] if mode != "model" else None
        by_model = self._by_model(texts, begun) if mode != "rules" else None
        judged = [verdicts for verdicts in (by_rules, by_model) if verdicts is not None]
        return [self._evaluation([verdicts[place] for verdicts in judged]) for place in range(len(texts))]

    def _evaluation(self, judged: Sequence[Sequence[Verdict]]) -> Evaluation:
        """`judged` has the verdicts of each judge by principle."""
        of_principles = [tuple(verdicts[place] for verdicts in judged) for place in range(len(self.principles))]
        each = zip(self.principles, of_principles, strict=True)
        return Evaluation(tuple(PrincipleResult(principle.name, principle.weight, verdicts) for principle, verdicts in each))

    def _by_rules(self, text: str, start: int) -> list[Verdict]:
        return [self._by_rules_of(principle, text, start) for principle in self.principles]

    def _by_rules_of(self, principle: Principle, text: str, start: int) -> Verdict:
        spans = [span for span in self._rules[principle.name].spans(text) if span.end > start]
        evidence = tuple(Evidence(span.start, span.end, span.reason) for span in spans[:MOST_EVIDENCE])
        groups = ", ".join(dict.fromkeys(span.group.replace("_", " ") for span in spans))
        reasoning = f"{len(spans)} place(s) match: {groups}" if spans else "no rule matches"
        return Verdict("rules", bool(spans), float(bool(spans)), evidence, reasoning)

    def _by_model(self, texts: Sequence[str], starts: Sequence[int]) -> list[list[Verdict]]:
        if self._model is None or self._probes is None:
            raise JudgeUnavailableError("there is no model that judges here")
        longest = self._model.context_window
        split = [_judged(text, start, longest) for text, start in zip(texts, starts, strict=True)]
        begun = [max(0, start - one.start) for found, start in zip(split, starts, strict=True) for one in found]
        features = sentence_features(self._model, [one.text for found in split for one in found], begun)
        if not np.isfinite(features).all():
            raise JudgeUnavailableError("the model gave no finite numbers")
        ends = np.cumsum([len(text) for text in split])
        rows = np.split(features, ends[:-1]) if texts else []
        return [
            [self._by_probe(principle, found, own, start) for principle in self.principles]
            for found, own, start in zip(split, rows, starts, strict=True)
        ]

    def _by_probe(self, principle: Principle, found: Sequence[Sentence], features: NDArray[np.float64], start: int) -> Verdict:
        assert self._probes is not None, "a judge without probes was refused before"
        threshold = self._probes.of(principle.name).threshold
        if not found:
            return Verdict("model", False, 0.0, (), "there is no sentence to judge")
        p = self._probes.probabilities(principle.name, features)
        if not np.isfinite(p).all():
            raise JudgeUnavailableError("the probe gave no finite numbers")
        reason = f"the probe gives at least {threshold:.2f}"
        evidence = tuple(
            Evidence(max(start, sentence.start), sentence.end, f"{reason}: {share:.2f}")
            for sentence, share in zip(found, p, strict=True)
            if share >= threshold
        )
        reasoning = f"worst of {len(found)} sentence(s): {p.max():.2f}, flagged from {threshold:.2f}"
        return Verdict("model", bool(evidence), float(p.max()), evidence[:MOST_EVIDENCE], reasoning)


def _judged(text: str, start: int, longest_bytes: int) -> list[Sentence]:
    """The sentences that say something after the start."""
    found = sentences(text, longest_bytes=longest_bytes)
    return [one for one in found if any(character.isalnum() for character in text[max(start, one.start) : one.end])]
