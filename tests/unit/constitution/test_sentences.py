"""Laws of a text's sentences."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from model_layer.constitution.sentences import LONGEST_BYTES, sentences

texts = st.text(st.sampled_from("ab Z9.!?\n\"')—é"), max_size=200)


@given(texts)
def test_places_are_right(text: str) -> None:
    """Each sentence is what stands at its place; they come in order and do not overlap."""
    found = sentences(text)
    assert all(text[one.start : one.end] == one.text == one.text.strip() for one in found)
    assert all(one.end <= following.start for one, following in pairwise(found))


@given(texts)
def test_no_letter_is_lost(text: str) -> None:
    """Every letter and digit lies in a sentence."""
    covered = {place for one in sentences(text) for place in range(one.start, one.end)}
    assert all(place in covered for place, character in enumerate(text) if character.isalnum())


def test_sentences_end_where_they_end() -> None:
    """At punctuation with its quotes, and at line ends."""
    text = 'He said: "Stop!" Then he left.\nNobody followed'
    assert [one.text for one in sentences(text)] == ['He said: "Stop!"', "Then he left.", "Nobody followed"]


def test_what_is_too_long_is_judged_in_pieces() -> None:
    """So that no text is beyond a judge's window."""
    for text in ("word " * 1000, "é" * 2000, "🦊 ж" * 500):
        found = sentences(text)
        assert len(found) > 5
        assert all(len(one.text.encode()) <= LONGEST_BYTES for one in found)
