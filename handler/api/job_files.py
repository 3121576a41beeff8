"""The results of a job as a file: as a whole, a text at a time, or the part of it that Lambda can send."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Literal

from handler.api import job_csv
from handler.api.job_pages import Page, Piece, page_of, stored_results
from handler.api.limits import LONGEST_FILE_BYTES
from handler.jobs.job import JobStore

Form = Literal["jsonl", "csv"]

MEDIA_TYPES: dict[Form, str] = {"jsonl": "application/jsonl", "csv": "text/csv"}


@dataclass(frozen=True, slots=True)
class ResultFile:
    """Results beyond `after`. A table begins with its header when it begins with the first of them."""

    store: JobStore
    job_id: str
    form: Form
    after: int

    @property
    def media_type(self) -> str:
        """What the file is."""
        return MEDIA_TYPES[self.form]

    def texts(self) -> Iterator[str]:
        """The file, to be joined. Reads the first results at once: what keeps them from being read is raised here."""
        pieces = self._pieces()
        first = list(islice(pieces, 1))
        return chain([self._beginning()], (piece.text for piece in chain(first, pieces)))

    def part(self) -> Page:
        """The beginning of the file, as much as an answer of Lambda takes, but one result at least."""
        page = page_of(self._pieces(), after=self.after, longest=LONGEST_FILE_BYTES)
        return Page([self._beginning(), *page.texts], page.next_after)

    def _beginning(self) -> str:
        return job_csv.header() if self.form == "csv" and self.after < 0 else ""

    def _pieces(self) -> Iterator[Piece]:
        for result in stored_results(self.store, self.job_id, after=self.after):
            text = job_csv.rows_of(result.body) if self.form == "csv" else f"{result.body}\n"
            yield Piece(result.index, text)
