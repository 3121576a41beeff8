"""Laws of the constitution: its weights, its expressions and its examples."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_layer.constitution.labelled import load_labelled
from model_layer.constitution.principles import NAMES, Principle, custom_principle, load_principles
from model_layer.constitution.rules import RuleJudge

PRINCIPLES = {principle.name: principle for principle in load_principles()}
GROUPS = sorted({(principle.name, pattern.group) for principle in load_principles() for pattern in principle.patterns})

phrases = st.lists(st.text("ab.*+?()[]{}^$|\\-", min_size=1, max_size=6), min_size=1, max_size=3).map(" ".join)


def found(principle: Principle, text: str) -> list[str]:
    """The places of a text that violate a principle."""
    return [text[span.start : span.end] for span in RuleJudge(principle).spans(text)]


def test_weights() -> None:
    """Harm weighs most, then untruth; the sum is 5.5."""
    weights = {name: principle.weight for name, principle in PRINCIPLES.items()}
    assert weights == {"harm_prevention": 2.0, "truthfulness": 1.5, "fairness": 1.0, "autonomy_respect": 1.0}
    assert tuple(weights) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_principle_says_what_it_is(name: str) -> None:
    """It has a title, a definition, and six to eight examples of either kind."""
    principle = PRINCIPLES[name]
    assert principle.title
    assert principle.definition.endswith(".")
    assert 6 <= len(principle.violating_examples) <= 8
    assert 6 <= len(principle.clean_examples) <= 8


@pytest.mark.parametrize("name", NAMES)
def test_expressions_can_be_read(name: str) -> None:
    """They compile without a warning, match no empty text, and come with a reason."""
    for pattern in PRINCIPLES[name].patterns:
        assert not re.compile(pattern.expression, re.IGNORECASE).fullmatch("")
        assert pattern.unless is None or not re.compile(pattern.unless, re.IGNORECASE).fullmatch("")
        assert pattern.reason


@pytest.mark.parametrize(("name", "group"), GROUPS)
def test_no_group_is_idle(name: str, group: str) -> None:
    """Each finds a violating sentence of the fit split."""
    principle = PRINCIPLES[name]
    judge = RuleJudge(replace(principle, patterns=tuple(one for one in principle.patterns if one.group == group)))
    own = [one for one in load_labelled() if (one.principle, one.violates, one.split) == (name, True, "fit")]
    assert any(judge.spans(sentence.text) for sentence in own)


@pytest.mark.parametrize("name", NAMES)
def test_examples_are_what_they_say(name: str) -> None:
    """Every violating one is found, and no clean one."""
    principle = PRINCIPLES[name]
    assert [text for text in principle.violating_examples if not found(principle, text)] == []
    assert [text for text in principle.clean_examples if found(principle, text)] == []


@given(phrases)
def test_phrases_are_no_expressions(phrase: str) -> None:
    """What a custom principle forbids is found to the letter, whatever signs it is made of."""
    custom = custom_principle("own", "Own", 1.0, "Not these.", [phrase])
    assert found(custom, f"so {phrase} it was") == [phrase]
    assert found(custom, "so c it was") == []


@pytest.mark.parametrize("text", ["Ice cream!", "an ICE  CREAM", "(ice\ncream)"])
def test_phrases_are_found_in_any_dress(text: str) -> None:
    """Case and white space do not matter."""
    assert len(found(custom_principle("own", "Own", 1.0, "No sweets.", ["ice cream"]), text)) == 1


@pytest.mark.parametrize("text", ["ice creams", "nice cream", "icecream", "ice, cream", "ice_cream"])
def test_phrases_are_whole_words(text: str) -> None:
    """A part of a word is another word."""
    assert found(custom_principle("own", "Own", 1.0, "No sweets.", ["ice cream"]), text) == []
