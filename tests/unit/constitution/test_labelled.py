"""Laws of the labelled sentences: there are enough of each kind, and none says two things at once."""

from collections import Counter

import pytest

from model_layer.constitution.labelled import Sentence, load_labelled
from model_layer.constitution.principles import NAMES, load_principles


def of(principle: str) -> list[Sentence]:
    """The sentences of a principle."""
    return [sentence for sentence in load_labelled() if sentence.principle == principle]


def test_there_are_enough() -> None:
    """At least 400, of all principles."""
    assert len(load_labelled()) >= 400
    assert {sentence.principle for sentence in load_labelled()} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_both_labels_are_well_represented(name: str) -> None:
    """At least 60 of either; both splits hold both, and the larger part is for fitting."""
    counts = Counter((sentence.violates, sentence.split) for sentence in of(name))
    assert set(counts) == {(violates, split) for violates in (True, False) for split in ("fit", "held_out")}
    for violates in (True, False):
        assert counts[violates, "fit"] + counts[violates, "held_out"] >= 60
        assert counts[violates, "fit"] > counts[violates, "held_out"] >= 20


def test_no_sentence_occurs_twice() -> None:
    """Neither in two splits, nor in two principles, nor with two labels; whatever its case and white space."""
    counts = Counter(" ".join(sentence.text.lower().split()) for sentence in load_labelled())
    assert [text for text, count in counts.items() if count > 1] == []


def test_examples_of_principles_are_not_measured_with() -> None:
    """What a principle shows as its example is no labelled sentence."""
    shown = {text for one in load_principles() for text in (*one.violating_examples, *one.clean_examples)}
    assert shown.isdisjoint(sentence.text for sentence in load_labelled())


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_can_be_learned(name: str) -> None:
    """Each group of violations that is held out is in the fit split too."""
    groups = {split: {one.group for one in of(name) if one.violates and one.split == split} for split in ("fit", "held_out")}
    assert groups["held_out"] <= groups["fit"]


@pytest.mark.parametrize("name", NAMES)
def test_some_clean_sentences_look_guilty(name: str) -> None:
    """At least 20 of each principle, or a judge of words alone would look perfect."""
    hard = [sentence for sentence in of(name) if not sentence.violates and sentence.group == "hard_negative"]
    assert len(hard) >= 20


def test_sentences_are_sentences() -> None:
    """One line each, of some words."""
    for sentence in load_labelled():
        assert sentence.text == sentence.text.strip()
        assert "\n" not in sentence.text
        assert 3 <= len(sentence.text.split()) <= 40
