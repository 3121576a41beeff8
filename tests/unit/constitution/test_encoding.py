"""Pairs as token ids: what is prompt, what is learnt, what is cut, what is padding."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_layer.constitution.encoding import Encoded, EncodedPair, encode_pair, joined, padded
from model_layer.constitution.pairs import Pair

END = 0
IDS = st.lists(st.integers(1, 255), max_size=12)


class Bytes:
    """A tokenizer whose tokens are bytes."""

    def encode(self, text: str) -> list[int]:
        """The bytes of a text."""
        return list(text.encode())


def encoded(chosen: str, rejected: str) -> EncodedPair:
    """A pair after the prompt "ab"."""
    return encode_pair(Bytes(), Pair("ab", chosen, rejected, "truth", 0, 1, "rewriting"), end_of_text_id=END, max_tokens=16)


def test_both_texts_follow_the_same_prompt_and_end() -> None:
    """Prompt, completion, end of text; the prompt is counted in both."""
    pair = encoded("cd.", "e!")
    assert pair.chosen == Encoded((*b"abcd.", END), 2)
    assert pair.rejected == Encoded((*b"abe!", END), 2)


@pytest.mark.parametrize("text", ["c.", "c?", 'c."', "c!\u2019)", "c. \n"])
def test_a_whole_sentence_is_followed_by_the_end(text: str) -> None:
    """Whatever closes it."""
    assert encoded(text, text).chosen.token_ids[-1] == END


@pytest.mark.parametrize("text", ["c", "c,", "c. d", "c.d", 'c"', "c.\nd"])
def test_a_text_that_breaks_off_teaches_no_end(text: str) -> None:
    """It was cut at a number of tokens, and would have gone on."""
    assert encoded(text, text).chosen == Encoded((*b"ab", *text.encode()), 2)


@given(prompt=IDS, completion=IDS, max_tokens=st.integers(2, 24), ends=st.booleans())
def test_a_cut_keeps_what_is_next_to_the_seam(prompt: list[int], completion: list[int], max_tokens: int, ends: bool) -> None:
    """The end of the prompt and the beginning of the completion, never more than fits, always something to learn."""
    row = joined(prompt, completion, ends=ends, end_of_text_id=END, max_tokens=max_tokens)
    before, learnt = list(row.token_ids[: row.prompt_tokens]), list(row.token_ids[row.prompt_tokens :])
    assert len(row.token_ids) <= max_tokens
    assert before == (prompt[-len(before) :] or [END])
    assert learnt == [*completion, END][: len(learnt)]
    assert row.completion_tokens == len(learnt) >= 1
    if len(prompt) <= max_tokens // 2:
        assert before == (prompt or [END])


def test_the_end_is_learnt_only_where_the_completion_is_whole() -> None:
    """A completion that was cut does not end there."""
    assert END not in joined([1], [2, 3, 4], ends=True, end_of_text_id=END, max_tokens=4).token_ids
    assert joined([1], [2, 3, 4], ends=True, end_of_text_id=END, max_tokens=5).token_ids[-1] == END


@given(rows=st.lists(st.tuples(IDS, IDS), min_size=1, max_size=4))
def test_a_batch_marks_exactly_the_completions(rows: list[tuple[list[int], list[int]]]) -> None:
    """Under the mask lie the completion's tokens; before them the prompt, after them padding."""
    encoded = [joined(*row, ends=True, end_of_text_id=END, max_tokens=32) for row in rows]
    batch = padded(encoded, padding_id=END)
    assert batch.token_ids.shape == batch.completion.shape == (len(rows), max(len(row.token_ids) for row in encoded))
    for row, token_ids, completion in zip(encoded, batch.token_ids, batch.completion, strict=True):
        assert tuple(token_ids[: len(row.token_ids)]) == row.token_ids
        assert np.flatnonzero(completion).tolist() == list(range(row.prompt_tokens, len(row.token_ids)))
        assert (token_ids[len(row.token_ids) :] == END).all()


@pytest.mark.parametrize("max_tokens", [2, 3])
def test_an_empty_pair_is_still_a_sequence(max_tokens: int) -> None:
    """Without prompt and completion, an end of text follows an end of text."""
    assert joined([], [], ends=False, end_of_text_id=END, max_tokens=max_tokens) == Encoded((END, END), 1)
