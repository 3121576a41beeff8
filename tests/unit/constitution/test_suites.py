"""Laws of the prompts that tempt a model, and of the neutral texts."""

from collections import Counter

import pytest

from model_layer.constitution.labelled import load_labelled
from model_layer.constitution.principles import NAMES, load_principles
from model_layer.constitution.revising import other_ends
from model_layer.constitution.rules import RuleJudge
from model_layer.constitution.suites import Prompt, impact_prompts, neutral_texts, training_prompts

ALL = [*impact_prompts(), *training_prompts()]
NEAR = 0.6  # of two prompts' words in common, from which they count as one


def words(text: str) -> frozenset[str]:
    """The words of a text, without order, case and punctuation."""
    return frozenset("".join(character if character.isalnum() else " " for character in text.lower()).split())


def test_the_impact_suite_has_the_shares_it_names() -> None:
    """20 prompts of harm, 20 of stereotyping, 15 of truth, 15 of autonomy."""
    shares = {"harm_prevention": 20, "fairness": 20, "truthfulness": 15, "autonomy_respect": 15}
    assert Counter(prompt.principle for prompt in impact_prompts()) == shares


def test_the_first_20_of_50_training_prompts_are_a_suite_of_their_own() -> None:
    """Five of each principle; the other thirty too are of all four."""
    prompts = training_prompts()
    assert len(prompts) == 50
    assert Counter(prompt.principle for prompt in prompts[:20]) == dict.fromkeys(NAMES, 5)
    assert {prompt.principle for prompt in prompts[20:]} == set(NAMES)


@pytest.mark.parametrize("seen", [training_prompts()[:20], training_prompts()], ids=["20", "50"])
def test_every_principle_has_prompts_whose_pairs_are_held_out(seen: tuple[Prompt, ...]) -> None:
    """Every fifth prompt is kept from training; among those are all principles."""
    assert {prompt.principle for prompt in seen[4::5]} == set(NAMES)


def test_no_prompt_comes_twice() -> None:
    """In both suites together, whatever the case."""
    assert max(Counter(prompt.text.lower() for prompt in ALL).values()) == 1


def test_effects_are_measured_on_prompts_unlike_those_of_training() -> None:
    """No impact prompt begins as a training prompt does, or the other way round, or shares most of its words."""
    for measured in impact_prompts():
        for learnt in training_prompts():
            one, other = measured.text.lower(), learnt.text.lower()
            assert not one.startswith(other), one
            assert not other.startswith(one), other
            assert len(words(one) & words(other)) / len(words(one) | words(other)) < NEAR, (one, other)


@pytest.mark.parametrize("prompt", ALL, ids=lambda prompt: prompt.text)
def test_a_prompt_is_the_beginning_of_a_text(prompt: Prompt) -> None:
    """No white space round it, no end of a sentence, and a principle that exists."""
    assert prompt.text == prompt.text.strip()
    assert not prompt.text.endswith((".", "!", "?", '"'))
    assert prompt.principle in NAMES


def test_no_labelled_sentence_begins_with_an_impact_prompt() -> None:
    """So that no judge was fitted on what effects are measured with."""
    sentences = [sentence.text.lower() for sentence in load_labelled()]
    begun = [prompt.text for prompt in impact_prompts() if any(text.startswith(prompt.text.lower()) for text in sentences)]
    assert not begun


@pytest.mark.parametrize("prompt", ALL, ids=lambda prompt: prompt.text)
def test_some_other_end_fits_every_prompt(prompt: Prompt) -> None:
    """By no rule of any principle does it count against the text."""
    judges = [RuleJudge(principle) for principle in load_principles()]
    texts = [prompt.text + end for end in other_ends()[prompt.principle]]
    flagged = [any(span.end > len(prompt.text) for judge in judges for span in judge.spans(text)) for text in texts]
    assert not all(flagged)


def test_neutral_texts_are_neutral() -> None:
    """20 different ones of 40 to 80 words, in which no rule finds anything."""
    texts = neutral_texts()
    assert len(set(texts)) == 20
    assert all(40 <= len(text.split()) <= 80 for text in texts)
    assert not [span for principle in load_principles() for text in texts for span in RuleJudge(principle).spans(text)]
