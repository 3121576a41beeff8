"""Laws of rewriting: what the rules found is gone, and nothing else was touched."""

import json
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from model_layer.constitution.labelled import Sentence, load_labelled
from model_layer.constitution.principles import NAMES, Principle, custom_principle, load_principles
from model_layer.constitution.revision import FILE, load_rewritings, rewrite
from model_layer.constitution.rules import RuleJudge, Span
from model_layer.constitution.suites import neutral_texts

PRINCIPLES = load_principles()
JUDGES = {principle: RuleJudge(principle) for principle in PRINCIPLES}
VIOLATING = [sentence for sentence in load_labelled() if sentence.violates]
CLEAN = [sentence.text for sentence in load_labelled() if not sentence.violates]
NEUTRAL = st.sampled_from(neutral_texts())
SEPARATORS = st.sampled_from([" ", "  ", "\n", "\n\n", ' "', "\t"])
PHRASE = custom_principle("bread", "Bread", 1.0, "", ["stale bread"])


def found(text: str) -> list[Span]:
    """What the rules of all principles find."""
    return [span for judge in JUDGES.values() for span in judge.spans(text)]


def rewritten(text: str) -> str:
    """The text rewritten by each principle in turn."""
    for principle, judge in JUDGES.items():
        text = rewrite(text, principle, judge.spans(text))
    return text


@pytest.mark.parametrize("sentence", VIOLATING, ids=lambda sentence: sentence.text[:40])
def test_the_rules_find_nothing_in_what_was_rewritten(sentence: Sentence) -> None:
    """Of any violating sentence, of fit and held-out split, something is left, and it is no violation of any principle."""
    text = rewritten(sentence.text)
    assert text
    assert not found(text)
    assert rewritten(text) == text


@given(texts=st.lists(st.sampled_from([one.text for one in VIOLATING]), min_size=1, max_size=6), separator=SEPARATORS)
def test_a_text_of_many_violations_is_cleared(texts: list[str], separator: str) -> None:
    """However its sentences are parted."""
    assert not found(rewritten(separator.join(texts)))


@given(texts=st.lists(st.sampled_from(CLEAN), max_size=5), separator=SEPARATORS)
def test_a_clean_text_stays_as_it_is(texts: list[str], separator: str) -> None:
    """To the last space, whatever it comes close to."""
    text = separator.join(texts)
    assume(not found(text))
    assert rewritten(text) == text


@given(before=NEUTRAL, bad=st.sampled_from(VIOLATING), after=NEUTRAL, first=SEPARATORS, second=SEPARATORS)
def test_neighbours_stay_as_they_are(before: str, bad: Sentence, after: str, first: str, second: str) -> None:
    """The sentences without a span, and the white space round the one that has it, are the same bytes."""
    text = rewritten(before + first + bad.text + second + after)
    assert text.startswith(before + first)
    assert text.endswith(second + after)


@given(sentence=st.sampled_from(VIOLATING), start=st.sampled_from(["", " ", "\n  ", '"']), end=st.sampled_from(["", "  ", "\n"]))
def test_white_space_at_the_ends_stays(sentence: Sentence, start: str, end: str) -> None:
    """A draft begins with the space after its prompt, and may lack the end of its sentence."""
    text = rewritten(start + sentence.text.rstrip(".!?") + end)
    assert text.startswith(start)
    assert text.endswith(end)
    assert not text.rstrip().endswith((".", "!", "?"))


def test_a_softer_wording_keeps_the_rest_of_its_sentence() -> None:
    """Only the certainty goes; a capital stays one."""
    truthfulness = PRINCIPLES[1]
    text = "It rained. There is no doubt that the fox did it."
    assert rewrite(text, truthfulness, JUDGES[truthfulness].spans(text)) == "It rained. Some people think that the fox did it."


def test_a_softer_wording_changes_nothing_that_was_not_found() -> None:
    """The first threat is one, the second only looks like it."""
    autonomy = PRINCIPLES[3]
    text = "Sign it, or you will be sorry. Hurry, or you will miss the bus."
    assert rewrite(text, autonomy, JUDGES[autonomy].spans(text)) == "Sign it, if you like. Hurry, or you will miss the bus."


def test_only_the_given_places_are_rewritten() -> None:
    """Of two violations the one without a span stays."""
    autonomy = PRINCIPLES[3]
    text = "You have no choice. It is for your own good!"
    first, second = JUDGES[autonomy].spans(text)
    assert rewrite(text, autonomy, [first]) == "You have a choice. It is for your own good!"
    assert rewrite(text, autonomy, [second]) == "You have no choice. It is for you to decide!"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The boy ate stale bread.", ""),
        ("He ate. It was stale bread! He slept.", "He ate.  He slept."),
        ("He ate stale\nbread and slept. Good.", " Good."),
        ("stale bread", ""),
    ],
)
def test_without_a_wording_the_sentence_is_left_out(text: str, expected: str) -> None:
    """As for a principle of a request's own; over a line end both halves are one sentence."""
    assert rewrite(text, PHRASE, RuleJudge(PHRASE).spans(text)) == expected


def test_a_quotation_that_was_closed_stays_closed() -> None:
    """Where a neutral sentence takes the place of what was said and of who said it."""
    harm = PRINCIPLES[0]
    text = '"I will kill you tonight," said the wolf.'
    new = rewrite(text, harm, JUDGES[harm].spans(text))
    assert new.count('"') == 2


@pytest.mark.parametrize("principle", PRINCIPLES, ids=NAMES)
def test_neutral_sentences_are_neutral(principle: Principle) -> None:
    """Each principle has some, and no rule of any principle finds anything in them."""
    instead = load_rewritings()[principle.name].instead
    assert instead
    assert all(text.endswith(".") and not found(text) for text in instead)


def test_every_wording_is_of_use() -> None:
    """Each softer wording changes a labelled sentence or an example of its principle when nothing else is tried."""
    body = json.loads(FILE.read_text(encoding="utf-8"))
    assert set(body) == set(NAMES)
    for principle in PRINCIPLES:
        own = [one.text for one in VIOLATING if one.principle == principle.name] + list(principle.violating_examples)
        for wording in body[principle.name]["softened"]:
            assert any(re.search(wording["expression"], text, re.IGNORECASE) for text in own), wording["expression"]
