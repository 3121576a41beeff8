"""The storybook corpus: one file a book, one paragraph a line, cut into passages of which a fixed share is held out.

A passage is a run of whole paragraphs, so the held-out text is never a neighbour sentence of the training text.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

END_OF_TEXT = "<|endoftext|>"
PASSAGE_CHARACTERS = 4_000
HELD_OUT_ONE_IN = 25
HEADING = re.compile(r"^(CHAPTER\b.*|Chapter [IVXLC\d]+\b.*|(?=.*[A-Z]{3})[^a-z]{4,80})$")


@dataclass(frozen=True, slots=True)
class Passage:
    """Consecutive paragraphs of one book. Chapters and tales inside it are parted by END_OF_TEXT."""

    book: str
    index: int
    text: str
    held_out: bool

    @property
    def characters(self) -> int:
        """Length as a reader counts it: a part boundary is one line break."""
        return len(self.text.replace(END_OF_TEXT, "\n"))


def read_passages(folder: Path) -> list[Passage]:
    """All passages of all `*.txt` files, in the order of the books' names. Raises ValueError when there are none."""
    passages = [passage for book in sorted(folder.glob("*.txt")) for passage in _passages_of(book)]
    if not passages:
        raise ValueError(f"no text in {folder}: expected one .txt file a book")
    return passages


def training_texts(passages: list[Passage]) -> Iterator[str]:
    """Runs of neighbouring training passages, joined as in the book and cut where a held-out passage lay."""
    run: list[str] = []
    book = ""
    for passage in passages:
        if run and (passage.held_out or passage.book != book):
            yield "\n".join(run)
            run = []
        if not passage.held_out:
            run.append(passage.text)
        book = passage.book
    if run:
        yield "\n".join(run)


def _passages_of(book: Path) -> Iterator[Passage]:
    paragraphs: list[str] = []
    index = 0
    lines = [line for line in book.read_text(encoding="utf-8").splitlines() if re.search(r"[A-Za-z]", line)]
    for position, line in enumerate(lines, start=1):
        paragraphs.append(line.strip())
        if sum(map(len, paragraphs)) >= PASSAGE_CHARACTERS or position == len(lines):
            yield Passage(book.stem, index, _join(paragraphs), _is_held_out(book.stem, index))
            paragraphs, index = [], index + 1


def _join(paragraphs: list[str]) -> str:
    """Paragraphs parted by line breaks, by END_OF_TEXT where a heading begins a new chapter or tale."""
    text = paragraphs[0]
    for before, after in pairwise(paragraphs):
        begins = HEADING.match(after) and not HEADING.match(before)
        text += (END_OF_TEXT if begins else "\n") + after
    return text


def _is_held_out(book: str, index: int) -> bool:
    """The split depends on the passage's name alone, so that it survives any change of order or of other books."""
    digest = hashlib.sha256(f"{book}:{index}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % HELD_OUT_ONE_IN == 0
