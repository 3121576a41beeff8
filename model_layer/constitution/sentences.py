"""A text in sentences, with their places in it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Up to the punctuation that ends a sentence, with closing quotes and brackets, or to the end of a line.
_SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?]+[\"'\u201d\u2019)\]]*|(?=\n)|$)")
LONGEST_SENTENCE = 600  # characters; what is longer is judged in pieces


@dataclass(frozen=True, slots=True)
class Sentence:
    """`text[start:end]` of the whole, without white space round it."""

    start: int
    end: int
    text: str


def sentences(text: str) -> list[Sentence]:
    """The sentences of a text in order; together they hold every letter of it."""
    return [sentence for found in _SENTENCE.finditer(text) for sentence in _pieces(text, found.start(), found.end())]


def _pieces(text: str, start: int, end: int) -> Iterator[Sentence]:
    for first in range(start, end, LONGEST_SENTENCE):
        piece = text[first : min(end, first + LONGEST_SENTENCE)]
        stripped = piece.strip()
        if any(character.isalnum() for character in stripped):
            begin = first + len(piece) - len(piece.lstrip())
            yield Sentence(begin, begin + len(stripped), stripped)
