"""Laws of revision: a reviser proposes, the evaluator decides, and only what is better is kept."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_layer.constitution.continuations import Sampling, continuations
from model_layer.constitution.errors import RevisionFailedError
from model_layer.constitution.evaluation import Evaluation, Evaluator
from model_layer.constitution.labelled import load_labelled
from model_layer.constitution.principles import load_principles
from model_layer.constitution.revising import RewritingReviser, SamplingReviser, other_ends, revise
from model_layer.constitution.suites import impact_prompts
from model_layer.language_model import LanguageModel

PRINCIPLES = load_principles()
RULES = Evaluator(PRINCIPLES)
REWRITING = RewritingReviser(PRINCIPLES)
PROMPT = "The fox said:"
# Of no principle, of the lightest, of the heaviest, and of both.
TEXTS = {0.0: " it rains.", 1.0: " you have no choice.", 2.0: " I will kill you.", 3.0: " you have no choice. I will kill you."}
PROPOSALS = st.lists(st.sampled_from([*TEXTS.values(), "", "  "]), max_size=6)
VIOLATING = [sentence.text for sentence in load_labelled() if sentence.violates]


@dataclass
class Scripted:
    """A reviser with fixed proposals that counts how many were asked for."""

    proposals: list[str]
    name: str = "scripted"
    asked: int = field(default=0, init=False)

    def propose(self, prompt: str, draft: str, evaluation: Evaluation) -> Iterator[str]:
        """The proposals in their order."""
        del prompt, draft, evaluation
        for proposal in self.proposals:
            self.asked += 1
            yield proposal


def score(prompt: str, text: str) -> float:
    """What the rules hold against a text after a prompt."""
    return RULES.evaluate([prompt + text], "rules", starts=[len(prompt)])[0].weighted_score


def test_the_texts_of_these_tests_score_as_they_should() -> None:
    """By the rules alone."""
    assert {weight: score(PROMPT, text) for weight, text in TEXTS.items()} == {weight: weight for weight in TEXTS}


@given(draft=st.sampled_from(list(TEXTS.values())), proposals=PROPOSALS)
def test_the_first_better_proposal_is_kept_and_no_other(draft: str, proposals: list[str]) -> None:
    """Better is what scores lower and says something; after it none is asked for, and without it there is no revision."""
    reviser = Scripted(proposals)
    revised = revise(PROMPT, draft, RULES, "rules", reviser)
    better = [one for one in proposals if one.strip() and score(PROMPT, one) < score(PROMPT, draft)]
    assert revised.revision == (better[0] if better else None)
    assert (revised.after.weighted_score if revised.after else None) == (score(PROMPT, better[0]) if better else None)
    assert reviser.asked == (proposals.index(better[0]) + 1 if better else len(proposals) * bool(score(PROMPT, draft)))


def test_a_clean_draft_is_left_alone() -> None:
    """Nothing is proposed for it, and nothing is criticised."""
    reviser = Scripted(list(TEXTS.values()))
    revised = revise(PROMPT, TEXTS[0.0], RULES, "rules", reviser)
    assert (revised.revision, revised.after, revised.criticisms, reviser.asked) == (None, None, (), 0)


def test_a_violation_of_the_prompt_is_not_the_drafts() -> None:
    """What ends before the draft asks for no revision."""
    revised = revise(PROMPT + TEXTS[2.0], TEXTS[0.0], RULES, "rules", Scripted([TEXTS[0.0]]))
    assert revised.before.weighted_score == 0
    assert revised.revision is None


def test_a_pair_is_the_revision_over_the_draft() -> None:
    """With both scores, the heaviest principle that the draft violated, and who revised."""
    pair = revise(PROMPT, TEXTS[3.0], RULES, "rules", Scripted([TEXTS[1.0], TEXTS[0.0]])).pair()
    assert (pair.prompt, pair.chosen, pair.rejected) == (PROMPT, TEXTS[1.0], TEXTS[3.0])
    assert (pair.chosen_score, pair.rejected_score, pair.margin) == (1.0, 3.0, 2.0)
    assert (pair.principle, pair.reviser) == ("harm_prevention", "scripted")


@pytest.mark.parametrize(("draft", "proposals"), [(TEXTS[0.0], [TEXTS[0.0]]), (TEXTS[1.0], [TEXTS[3.0], " "]), (TEXTS[2.0], [])])
def test_without_a_revision_there_is_no_pair(draft: str, proposals: list[str]) -> None:
    """A draft that was clean, or that nothing was better than, teaches nothing."""
    revised = revise(PROMPT, draft, RULES, "rules", Scripted(proposals))
    with pytest.raises(RevisionFailedError):
        revised.pair()


@pytest.mark.parametrize("draft", VIOLATING, ids=lambda draft: draft[:40])
def test_rewriting_clears_what_the_rules_flag(draft: str) -> None:
    """Any labelled sentence that they flag scores nothing afterwards, and comes out the same every time."""
    revised = revise(" ", draft, RULES, "rules", REWRITING)
    assert (revised.revision is None) == (revised.before.weighted_score == 0)
    assert (revised.after or revised.before).weighted_score == 0
    assert revised == revise(" ", draft, RULES, "rules", REWRITING)


@pytest.mark.parametrize("prompt", [prompt.text for prompt in impact_prompts()])
def test_rewriting_never_changes_a_prompt(prompt: str) -> None:
    """First comes the draft with its bad sentence rewritten, unless the prompt would be rewritten too; then other ends."""
    draft = " it. " + PRINCIPLES[3].violating_examples[0]
    [evaluation] = RULES.evaluate([prompt + draft], "rules", starts=[len(prompt) + len(" it.")])
    proposals = list(REWRITING.propose(prompt, draft, evaluation))
    ends = list(other_ends()["autonomy_respect"])
    if RULES.evaluate([prompt + " it."], "rules")[0].weighted_score:
        assert proposals == ends
    else:
        assert proposals[1:] == ends
        assert proposals[0].startswith(" it. ")
        assert proposals[0] != draft


def test_sampling_proposes_what_the_model_writes(model: LanguageModel) -> None:
    """As many texts as asked for, each of its own seed."""
    sampling = Sampling(max_new_tokens=8)
    [evaluation] = RULES.evaluate([PROMPT], "rules")
    proposals = list(SamplingReviser(model, "7", samples=3, sampling=sampling).propose(PROMPT, "", evaluation))
    assert proposals == continuations(model, [PROMPT] * 3, ["7:0", "7:1", "7:2"], sampling)
    assert len(set(proposals)) > 1
