"""What training changed: violations before and after on prompts that it never saw, preferences, and drift on neutral text.

No figure without its interval and its judge. Both models' texts are judged by the base model's probes and by the rules; the
seeds are the same, so that a prompt's two texts differ by the models alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from model_layer.constitution.continuations import Sampling, continuations
from model_layer.constitution.evaluation import Evaluation, Evaluator, Method
from model_layer.constitution.intervals import DIFFERENCE, SHARE, Estimate, mean_difference, mean_estimate
from model_layer.constitution.pairs import Pair
from model_layer.constitution.sentences import sentences
from model_layer.constitution.suites import Prompt
from model_layer.constitution.text_scores import completion_log_probability, perplexity
from model_layer.language_model import LanguageModel

JUDGES: tuple[Method, ...] = ("rules", "model")
SAMPLES_PER_PROMPT = 4


@dataclass(frozen=True, slots=True)
class Change:
    """A share or mean before and after, and the difference, paired by unit."""

    before: Estimate
    after: Estimate
    difference: Estimate

    @classmethod
    def of(cls, before: Sequence[float], after: Sequence[float]) -> "Change":
        """From one value a unit, the units of both in the same order."""
        return cls(mean_estimate(before), mean_estimate(after), mean_difference(before, after))

    @classmethod
    def of_shares(cls, before: Sequence[float], after: Sequence[float]) -> "Change":
        """The same of values between 0 and 1."""
        difference = mean_difference(before, after, bounds=DIFFERENCE)
        return cls(mean_estimate(before, bounds=SHARE), mean_estimate(after, bounds=SHARE), difference)


@dataclass(frozen=True, slots=True)
class ViolationChange:
    """How often texts after a suite's prompts violate its principle, as one judge sees it. The units are prompts."""

    principle: str
    judge: Method
    rate: Change


@dataclass(frozen=True, slots=True)
class Example:
    """One prompt's first text by each model, and which judges flag it."""

    principle: str
    prompt: str
    before: str
    after: str
    before_flagged_by: tuple[Method, ...]
    after_flagged_by: tuple[Method, ...]


@dataclass(frozen=True, slots=True)
class Impact:
    """All of it. Preference figures are None when there were no held-out pairs; `perplexity` is a mean over neutral texts.

    `sentences` are those of a text, of which each may be flagged: a model that ends fewer is flagged less for that alone.
    """

    violations: tuple[ViolationChange, ...]
    alignment: Change
    sentences: Change
    preference_accuracy: Change | None
    preference_margin: Change | None
    perplexity: Change
    examples: tuple[Example, ...]


def impact(
    before: LanguageModel,
    after: LanguageModel,
    evaluator: Evaluator,
    *,
    prompts: Sequence[Prompt],
    pairs: Sequence[Pair],
    neutral_texts: Sequence[str],
    sampling: Sampling,
    samples: int = SAMPLES_PER_PROMPT,
    on_step: Callable[[str], None] = lambda _: None,
) -> Impact:
    """Measure. `evaluator` judges with the base model's probes. `on_step` is told what comes next."""
    judged = []
    for name, model in (("before", before), ("after", after)):
        on_step(f"texts {name}")
        judged.append(_written(model, evaluator, prompts, sampling, samples))
    on_step("preferences and drift")
    accuracy, margin = _preferences(before, after, pairs)
    return Impact(
        violations=tuple(_violations(prompts, judged[0], judged[1], samples)),
        alignment=Change.of_shares(*(_by_prompt([one.alignment for _, one in texts], samples) for texts in judged)),
        sentences=Change.of(*(_by_prompt([float(len(sentences(text))) for text, _ in texts], samples) for texts in judged)),
        preference_accuracy=accuracy,
        preference_margin=margin,
        perplexity=Change.of(*([perplexity(model, text) for text in neutral_texts] for model in (before, after))),
        examples=tuple(_examples(prompts, judged[0], judged[1], samples)),
    )


Written = list[tuple[str, Evaluation]]


def _written(model: LanguageModel, evaluator: Evaluator, prompts: Sequence[Prompt], sampling: Sampling, samples: int) -> Written:
    """The texts after each prompt, `samples` of each in turn, and what both judges say."""
    repeated = [prompt.text for prompt in prompts for _ in range(samples)]
    seeds = [f"impact:{place}:{sample}" for place in range(len(prompts)) for sample in range(samples)]
    texts = continuations(model, repeated, seeds, sampling)
    whole = [prompt + text for prompt, text in zip(repeated, texts, strict=True)]
    judged = evaluator.evaluate(whole, "both", starts=[len(prompt) for prompt in repeated])
    return list(zip(texts, judged, strict=True))


def _violations(prompts: Sequence[Prompt], before: Written, after: Written, samples: int) -> list[ViolationChange]:
    changes = []
    for principle in dict.fromkeys(prompt.principle for prompt in prompts):
        own = [place for place, prompt in enumerate(prompts) if prompt.principle == principle]
        for judge in JUDGES:
            rates = [_by_prompt([_flags(one, principle, judge) for _, one in texts], samples) for texts in (before, after)]
            rate = Change.of_shares(*([by_prompt[place] for place in own] for by_prompt in rates))
            changes.append(ViolationChange(principle, judge, rate))
    return changes


def _flags(evaluation: Evaluation, principle: str, judge: Method) -> float:
    result = next(result for result in evaluation.results if result.principle == principle)
    return float(next(verdict.flagged for verdict in result.verdicts if verdict.method == judge))


def _by_prompt(values: Sequence[float], samples: int) -> list[float]:
    """The mean of each prompt's samples: they are no independent units."""
    return [sum(values[first : first + samples]) / samples for first in range(0, len(values), samples)]


def _preferences(before: LanguageModel, after: LanguageModel, pairs: Sequence[Pair]) -> tuple[Change | None, Change | None]:
    """How often, and by how many nats, each model finds the revision likelier than the draft. The units are prompts."""
    if not pairs:
        return None, None
    prompts = list(dict.fromkeys(pair.prompt for pair in pairs))
    by_prompt = [[pair for pair in pairs if pair.prompt == prompt] for prompt in prompts]
    margins = [[[_margin(model, pair) for pair in own] for own in by_prompt] for model in (before, after)]
    right = [[fmean(margin > 0 for margin in own) for own in of_model] for of_model in margins]
    return Change.of_shares(*right), Change.of(*([fmean(own) for own in of_model] for of_model in margins))


def _margin(model: LanguageModel, pair: Pair) -> float:
    chosen, rejected = (completion_log_probability(model, pair.prompt, text) for text in (pair.chosen, pair.rejected))
    return chosen - rejected


def _examples(prompts: Sequence[Prompt], before: Written, after: Written, samples: int) -> list[Example]:
    return [
        Example(prompt.principle, prompt.text, old[0], new[0], _flagging(old[1], prompt), _flagging(new[1], prompt))
        for prompt, old, new in zip(prompts, before[::samples], after[::samples], strict=True)
    ]


def _flagging(evaluation: Evaluation, prompt: Prompt) -> tuple[Method, ...]:
    return tuple(judge for judge in JUDGES if _flags(evaluation, prompt.principle, judge))
