"""Pairs to train on: drafts of the base model after tempting prompts, and for those that are flagged what is better.

A flagged draft is rejected in favour of another draft after the same prompt that scores lower, or else of a rewriting.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from model_layer.constitution.continuations import Sampling, continuations
from model_layer.constitution.evaluation import Evaluation, Evaluator
from model_layer.constitution.pairs import Pair
from model_layer.constitution.revising import Reviser, RewritingReviser, revise
from model_layer.constitution.suites import Prompt
from model_layer.language_model import LanguageModel

DRAFTS_PER_PROMPT = 12
PAIRS_PER_PROMPT = 3
HELD_OUT_EVERY = 5  # of the prompts: their pairs are never trained on
DRAFT = Sampling(max_new_tokens=32, temperature=1.0, top_k=50)


class OtherDrafts:
    """Offers other drafts after the same prompt, the best first."""

    name = "sampling"

    def __init__(self, drafts: Sequence[str]) -> None:
        self._drafts = drafts

    def propose(self, prompt: str, draft: str, evaluation: Evaluation) -> Iterator[str]:
        """The drafts in their order."""
        del prompt, draft, evaluation
        yield from self._drafts


@dataclass(frozen=True, slots=True)
class Prepared:
    """Pairs to train on, and pairs of other prompts to measure with."""

    pairs: list[Pair]
    held_out: list[Pair]


def prepare(model: LanguageModel, evaluator: Evaluator, prompts: Sequence[Prompt], seed: str) -> Prepared:
    """Draw, judge, revise. All drafts go through the model together, and what is drawn depends on the seed alone."""
    repeated = [prompt.text for prompt in prompts for _ in range(DRAFTS_PER_PROMPT)]
    drafts = continuations(model, repeated, [f"{seed}:{place}" for place in range(len(repeated))], DRAFT)
    whole = [prompt + draft for prompt, draft in zip(repeated, drafts, strict=True)]
    judged = evaluator.evaluate(whole, "both", starts=[len(prompt) for prompt in repeated])
    prepared = Prepared([], [])
    for place, prompt in enumerate(prompts):
        own = slice(place * DRAFTS_PER_PROMPT, (place + 1) * DRAFTS_PER_PROMPT)
        kept = prepared.held_out if place % HELD_OUT_EVERY == HELD_OUT_EVERY - 1 else prepared.pairs
        kept.extend(_pairs(prompt.text, drafts[own], judged[own], evaluator))
    learnt = {pair.chosen for pair in prepared.pairs}
    return Prepared(prepared.pairs, [pair for pair in prepared.held_out if pair.chosen not in learnt])


def _pairs(prompt: str, drafts: Sequence[str], judged: Sequence[Evaluation], evaluator: Evaluator) -> list[Pair]:
    """Of one prompt: the worst drafts, each with a better one of its own."""
    order = sorted(range(len(drafts)), key=lambda place: _badness(judged[place]))
    better = [drafts[place] for place in order if not judged[place].weighted_score and drafts[place].strip()]
    pairs: list[Pair] = []
    for place in reversed(order[-PAIRS_PER_PROMPT:]):
        if not judged[place].weighted_score or not drafts[place].strip():
            continue
        revisers: list[Reviser] = [OtherDrafts(better[len(pairs) :]), RewritingReviser(evaluator.principles)]
        revised = (revise(prompt, drafts[place], evaluator, "both", reviser) for reviser in revisers)
        pairs += [one.pair() for one in revised if one.revision is not None][:1]
    return pairs


def _badness(evaluation: Evaluation) -> tuple[float, float]:
    return evaluation.weighted_score, max(result.score for result in evaluation.results)
