"""A text in sentences, with their places in it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Up to the punctuation that ends a sentence, with closing quotes and brackets, or to the end of a line.
_SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?]+[\"'\u201d\u2019)\]]*|(?=\n)|$)")
LONGEST_BYTES = 512  # of a sentence in UTF-8; what is longer is judged in pieces, and no token has less than a byte


@dataclass(frozen=True, slots=True)
class Sentence:
    """`text[start:end]` of the whole, without white space round it."""

    start: int
    end: int
    text: str


def sentences(text: str, *, longest_bytes: int = LONGEST_BYTES) -> list[Sentence]:
    """The sentences of a text in order, longer ones in pieces; together they hold every letter of it."""
    found = ((match.start(), match.end()) for match in _SENTENCE.finditer(text))
    return [sentence for start, end in found for sentence in _pieces(text, start, end, longest_bytes)]


def _pieces(text: str, start: int, end: int, longest_bytes: int) -> Iterator[Sentence]:
    first = start
    while first < end:
        last = _fitting(text, first, end, longest_bytes)
        piece = text[first:last]
        stripped = piece.strip()
        if any(character.isalnum() for character in stripped):
            begin = first + len(piece) - len(piece.lstrip())
            yield Sentence(begin, begin + len(stripped), stripped)
        first = last


def _fitting(text: str, first: int, end: int, longest_bytes: int) -> int:
    """The furthest place up to which text[first:] has at most so many bytes, but a character in any case."""
    size, last = 0, first
    while last < end:
        size += len(text[last].encode("utf-8", "surrogatepass"))
        if size > longest_bytes and last > first:
            break
        last += 1
    return last
