"""How well a judge does on labelled sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import cache

from model_layer.constitution.labelled import Split, load_labelled
from model_layer.constitution.principles import load_principles
from model_layer.constitution.rules import RuleJudge


@dataclass(frozen=True, slots=True)
class JudgeScore:
    """The counts of a judge's flags against the labels. A rate without a case is 0."""

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    @classmethod
    def of(cls, flagged: Sequence[bool], labels: Sequence[bool]) -> "JudgeScore":
        """Count."""
        pairs = list(zip(flagged, labels, strict=True))
        return cls(*(pairs.count(kind) for kind in ((True, True), (True, False), (False, True), (False, False))))

    def __add__(self, other: "JudgeScore") -> "JudgeScore":
        """The counts of both together."""
        return JudgeScore(*(one + more for one, more in zip(astuple(self), astuple(other), strict=True)))

    @property
    def count(self) -> int:
        """All sentences."""
        return self.true_positives + self.false_positives + self.false_negatives + self.true_negatives

    @property
    def precision(self) -> float:
        """Of what is flagged, the share that violates."""
        return _share(self.true_positives, self.false_positives)

    @property
    def recall(self) -> float:
        """Of what violates, the share that is flagged."""
        return _share(self.true_positives, self.false_negatives)

    def f_score(self, beta: float = 1.0) -> float:
        """F_beta (van Rijsbergen 1979): the harmonic mean of both, recall weighing beta times as much as precision."""
        weight = beta**2
        hits = (1 + weight) * self.true_positives
        return _share(hits, weight * self.false_negatives + self.false_positives)


@cache
def rule_scores(split: Split) -> Mapping[str, JudgeScore]:
    """The rules of each principle on all sentences of a split: what violates another principle should not be flagged."""
    scores = {}
    sentences = [sentence for sentence in load_labelled() if sentence.split == split]
    for principle in load_principles():
        judge = RuleJudge(principle)
        flagged = [bool(judge.spans(sentence.text)) for sentence in sentences]
        violates = [sentence.violates and sentence.principle == principle.name for sentence in sentences]
        scores[principle.name] = JudgeScore.of(flagged, violates)
    return scores


def _share(part: float, rest: float) -> float:
    return part / (part + rest) if part + rest else 0.0
