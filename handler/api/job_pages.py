"""Results of a job as they are stored, a few at a time, and as many of them as an answer takes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from handler.jobs.job import JobStore, TaskResult

RESULTS_AT_ONCE = 25  # from the store: one of 1,024 tokens has some 300 KB


@dataclass(frozen=True, slots=True)
class Piece:
    """What an answer says of the result of this index."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """Pieces by index. `next_after` is the index to go on from, None when nothing lay beyond the page."""

    texts: list[str]
    next_after: int | None


def stored_results(store: JobStore, job_id: str, *, after: int) -> Iterator[TaskResult]:
    """All results beyond `after` that are there, by index. Raises JobNotFoundError and StoreUnavailableError on the way."""
    while results := store.results(job_id, after=after, limit=RESULTS_AT_ONCE):
        yield from results
        after = results[-1].index


def page_of(pieces: Iterator[Piece], *, after: int, longest: int, most: int | None = None) -> Page:
    """Up to `most` pieces, and no more than fit in `longest` bytes, but for the first. They are those beyond `after`."""
    texts: list[str] = []
    size = 0
    for piece in pieces:
        size += _size(piece.text)
        if len(texts) == most or (texts and size > longest):
            return Page(texts, next_after=after)
        texts.append(piece.text)
        after = piece.index
    return Page(texts, next_after=None)


def _size(text: str) -> int:
    """Bytes of the text within JSON, which is how it leaves Lambda: a quotation mark has two, and a letter é up to six."""
    return len(json.dumps(text))
