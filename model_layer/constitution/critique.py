"""From an evaluation to words about it: which principle, which place of the text, why."""

from dataclasses import dataclass

from model_layer.constitution.evaluation import Evaluation


@dataclass(frozen=True, slots=True)
class Criticism:
    """`text[start:end]` counts against a principle. `judges` name who says so."""

    principle: str
    start: int
    end: int
    reason: str
    judge: str


def critique(evaluation: Evaluation) -> list[Criticism]:
    """Every piece of evidence of the principles that are flagged, the heaviest principles first."""
    heaviest = sorted(evaluation.results, key=lambda result: -result.weight)
    return [
        Criticism(result.principle, one.start, one.end, one.reason, verdict.method)
        for result in heaviest
        for verdict in result.verdicts
        if verdict.flagged
        for one in verdict.evidence
    ]
