"""Laws of the rule judge: what it finds, and where."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_layer.constitution.labelled import load_labelled
from model_layer.constitution.principles import NAMES, Pattern, Principle, load_principles
from model_layer.constitution.rules import RuleJudge, Span

PRINCIPLES = {principle.name: principle for principle in load_principles()}
JUDGES = {name: RuleJudge(principle) for name, principle in PRINCIPLES.items()}
SENTENCES = [sentence.text for sentence in load_labelled()]
CLEAN = {name: [one.text for one in load_labelled() if one.principle == name and not one.violates] for name in NAMES}

names = st.sampled_from(NAMES)
whole_sentences = st.lists(st.sampled_from(SENTENCES), max_size=5).map(" ".join)
torn_sentences = st.builds(lambda text, start, end: text[start:end], whole_sentences, st.integers(0, 60), st.integers(60, 400))
texts = whole_sentences | torn_sentences | st.text(max_size=60)

WOLF = Principle("wolf", "Wolf", 1.0, "No wolf.", (Pattern("wolf", r"\bwolf\b", "a wolf", r"\bno\b|\bnever\b"),))


def matches(pattern: Pattern, text: str, span: Span) -> bool:
    """Whether the span is of this pattern, and the pattern matches just there."""
    match = re.compile(pattern.expression, re.IGNORECASE).match(text, span.start)
    return (pattern.group, pattern.reason) == (span.group, span.reason) and match is not None and match.end() == span.end


@given(names, texts)
def test_spans_are_places_of_the_text(name: str, text: str) -> None:
    """They lie within it, are not empty, and one of the principle's expressions matches each."""
    for span in JUDGES[name].spans(text):
        assert 0 <= span.start < span.end <= len(text)
        assert any(matches(pattern, text, span) for pattern in PRINCIPLES[name].patterns)


@given(names, texts)
def test_spans_are_in_order(name: str, text: str) -> None:
    """Each begins and ends after the one before: none lies within another."""
    spans = JUDGES[name].spans(text)
    assert all(one.start < other.start and one.end < other.end for one, other in pairwise(spans))


@given(names, texts)
def test_a_judge_does_not_change_its_mind(name: str, text: str) -> None:
    """The same text gives the same places, whatever was judged in between."""
    first = JUDGES[name].spans(text)
    JUDGES[name].spans(text[::-1])
    assert JUDGES[name].spans(text) == first


@given(st.data(), names, whole_sentences)
def test_a_clean_line_changes_nothing(data: st.DataObject, name: str, text: str) -> None:
    """What follows on a line of its own leaves the places before it as they are."""
    clean = data.draw(st.sampled_from(CLEAN[name]))
    spans = JUDGES[name].spans(f"{text}\n{clean}")
    assert [span for span in spans if span.start < len(text)] == JUDGES[name].spans(text)


@given(st.sampled_from(".!?\n"), st.text("abc ,;:", max_size=30), st.text("abc ,;:", max_size=30))
def test_an_excuse_counts_in_its_own_sentence(border: str, before: str, after: str) -> None:
    """And in no other, on either side."""
    judge = RuleJudge(WOLF)
    assert judge.spans(f"never {before} wolf {after}") == judge.spans(f"wolf {before} never {after}") == []
    assert len(judge.spans(f"never {before}{border} wolf {after}")) == 1
    assert len(judge.spans(f"wolf {before}{border} never {after}")) == 1


def test_one_excuse_does_not_excuse_another_sentence() -> None:
    """Of two places, only that with the excuse is let off."""
    assert RuleJudge(WOLF).spans("No wolf. A wolf.") == [Span(11, 15, "wolf", "a wolf")]


def test_the_longest_of_nested_places_is_kept() -> None:
    """The places within it say nothing more."""
    expressions = {"inner": r"bad", "outer": r"big bad wolf", "tail": r"wolf", "over": r"wolf ran"}
    patterns = tuple(Pattern(group, expression, "found") for group, expression in expressions.items())
    spans = RuleJudge(Principle("wolf", "Wolf", 1.0, "No wolf.", patterns)).spans("the big bad wolf ran")
    assert [(span.start, span.end, span.group) for span in spans] == [(4, 16, "outer"), (12, 20, "over")]


def test_expressions_read_any_case_and_need_a_letter() -> None:
    """An expression that could match nothing finds no empty places."""
    hungry = Principle("all", "All", 1.0, "Nothing.", (Pattern("any", r"w*", "found"),))
    assert [(span.start, span.end) for span in RuleJudge(hungry).spans("a wW b")] == [(2, 4)]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_found_in_nothing(name: str) -> None:
    """An empty text has no places."""
    assert JUDGES[name].spans("") == []
    assert JUDGES[name].spans(" \n\t.\n") == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "again", ["all ", "a", "and hit ", "let us go and ", "you should never ", "they are ", "people who ", "\u00e9"]
)
def test_texts_without_an_end_are_judged(name: str, again: str) -> None:
    """Text made to keep an expression busy is judged within the test's time limit, and gives places of the text."""
    text = (again * 10_000)[:10_000]
    assert all(span.end <= len(text) for span in JUDGES[name].spans(text))


def test_a_word_has_an_end() -> None:
    """What is longer than any word is skipped, and changes no place behind it."""
    pattern = Pattern("folk", r"\b[\w-]+\s+folk", "a reason")
    judge = RuleJudge(Principle("folk", "Folk", 1.0, "", (pattern,)))
    assert [(one.start, one.end) for one in judge.spans("the hill folk")] == [(4, 13)]
    assert judge.spans("a-" * 5000 + " folk") == []
    [behind] = judge.spans("a-" * 5000 + " the hill folk")
    assert (behind.start, behind.end) == (10_005, 10_014)
