"""Prompts and completions as token ids, and as padded batches that know which tokens are to be learnt."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from model_layer.constitution.pairs import Pair


class Encoder(Protocol):
    """What turns texts into token ids; a Tokenizer or a LanguageModel."""

    def encode(self, text: str) -> list[int]:
        """Token ids of a text."""


# A draft is cut at a number of tokens. One that breaks off within a sentence must not teach the model to end there: shorter
# texts violate less, and nothing would have been learnt but to be short.
_ENDED = re.compile(r"[.!?…][\"'”\u2019)\]]*\s*\Z")


@dataclass(frozen=True, slots=True)
class Sequences:
    """Rows of token ids, padded on the right. What is masked in `completion` is prompt or padding."""

    token_ids: NDArray[np.int64]  # (rows, positions)
    completion: NDArray[np.bool_]  # (rows, positions)


@dataclass(frozen=True, slots=True)
class Encoded:
    """One prompt with its completion; the first `prompt_tokens` are the prompt."""

    token_ids: tuple[int, ...]
    prompt_tokens: int

    @property
    def completion_tokens(self) -> int:
        """Tokens that are to be learnt."""
        return len(self.token_ids) - self.prompt_tokens


@dataclass(frozen=True, slots=True)
class EncodedPair:
    """Both texts of a pair after its prompt."""

    chosen: Encoded
    rejected: Encoded


def encode_pair(encoder: Encoder, pair: Pair, *, end_of_text_id: int, max_tokens: int) -> EncodedPair:
    """Both texts of a pair: the same prompt, then each completion, and the end of the text where its last sentence is whole."""
    prompt = encoder.encode(pair.prompt)

    def encoded(text: str) -> Encoded:
        ends, completion = _ENDED.search(text) is not None, encoder.encode(text)
        return joined(prompt, completion, ends=ends, end_of_text_id=end_of_text_id, max_tokens=max_tokens)

    return EncodedPair(encoded(pair.chosen), encoded(pair.rejected))


def joined(prompt: Sequence[int], completion: Sequence[int], *, ends: bool, end_of_text_id: int, max_tokens: int) -> Encoded:
    """Prompt and completion, and the end of the text if it `ends` there or says nothing; at most `max_tokens` of them.

    Of a prompt longer than half of that its last tokens stay, of a completion the first: with room for 4, the prompt
    [1, 2, 3] and the completion [5, 6, 7] are [2, 3, 5, 6]. No prompt at all is an end of text, as where GPT-2's texts begin.
    """
    before = tuple(prompt[-(max_tokens // 2) :]) or (end_of_text_id,)
    end = (end_of_text_id,) if ends or not completion else ()
    return Encoded((*before, *completion, *end)[:max_tokens], len(before))


def padded(rows: Sequence[Encoded], *, padding_id: int) -> Sequences:
    """The rows as one batch. A causal model never looks right, so that padding needs no attention mask."""
    positions = max(len(row.token_ids) for row in rows)
    token_ids = np.full((len(rows), positions), padding_id, dtype=np.int64)
    completion = np.zeros((len(rows), positions), dtype=np.bool_)
    for index, row in enumerate(rows):
        token_ids[index, : len(row.token_ids)] = row.token_ids
        completion[index, row.prompt_tokens : len(row.token_ids)] = True
    return Sequences(token_ids, completion)
