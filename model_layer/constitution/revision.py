"""Rewriting without a model: what the rules found is put more softly, or its sentence gives way to a neutral one.

`data/rewritings.json` holds the softer wordings of each principle, in the order in which they are tried, and its neutral
sentences. What no wording softens and no sentence replaces is left out, so that no rule finds anything in its place.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from model_layer.constitution.principles import Principle
from model_layer.constitution.rules import RuleJudge, Span

FILE = Path(__file__).parent / "data" / "rewritings.json"
_BEFORE = re.compile(r"(?:\A|[.!?\n])[\s\"'\u201c\u201d\u2018\u2019)\]]*")  # what parts a sentence from the one before it
_AFTER = re.compile(r"[.!?]+|(?=[^\S\n]*(?:\n|\Z))")  # its punctuation, or where its line ends
_ENDS = (".", "!", "?")


@dataclass(frozen=True, slots=True)
class Softening:
    """A wording and what takes its place, a template of `re`."""

    expression: re.Pattern[str]
    replacement: str

    def apply(self, sentence: str, spans: Sequence[Span]) -> str:
        """Reword what lies in a span, and nothing else. Where a sentence or a quotation begins, a capital stays a capital."""

        def reworded(match: re.Match[str]) -> str:
            if not any(span.start < match.end() and match.start() < span.end for span in spans):
                return match[0]
            new = match.expand(self.replacement)
            begins = not match.string[: match.start()][-1:].isspace()
            return new[:1].upper() + new[1:] if begins and match[0][:1].isupper() else new

        return self.expression.sub(reworded, sentence)


@dataclass(frozen=True, slots=True)
class Rewritings:
    """Of one principle: softer wordings, and sentences that may stand in for any other."""

    softenings: tuple[Softening, ...] = ()
    instead: tuple[str, ...] = ()


def rewrite(text: str, principle: Principle, spans: Sequence[Span]) -> str:
    """The text with each sentence that holds a span rewritten; all else, white space too, stays as it is."""
    for start, end in reversed(_stretches(text, spans)):
        text = text[:start] + _rewritten(text[start:end], principle) + text[end:]
    return text


def _stretches(text: str, spans: Sequence[Span]) -> list[tuple[int, int]]:
    """The places of the sentences that hold spans, in order. A span over a line end makes one of two."""
    beginnings = [0, *(match.end() for match in _BEFORE.finditer(text))]
    places: list[tuple[int, int]] = []
    for span in sorted(spans, key=lambda span: span.start):
        start, end = beginnings[bisect_right(beginnings, span.start) - 1], _end_of(text, span)
        if places and start < places[-1][1]:
            first, last = places.pop()
            start, end = first, max(last, end)
        places.append((start, end))
    return places


def _end_of(text: str, span: Span) -> int:
    """Where the sentence ends that holds the span's last character."""
    found = _AFTER.search(text, span.end - 1)
    assert found is not None, "the end of a text ends every sentence"
    return max(found.end(), span.end)


def _rewritten(sentence: str, principle: Principle) -> str:
    judge, rewritings = _judge(principle), load_rewritings().get(principle.name, Rewritings())
    softer = sentence
    for softening in rewritings.softenings:
        softer = softening.apply(softer, judge.spans(softer))
    candidates = (softer, *_instead(rewritings, sentence))
    return next((candidate for candidate in candidates if not judge.spans(candidate)), "")


def _instead(rewritings: Rewritings, sentence: str) -> Iterator[str]:
    """The sentence's length picks the first; then the others. Each ends, and closes a quotation, where the sentence does."""
    count, quotation = len(rewritings.instead), '"' * (sentence.count('"') % 2)
    for place in range(count):
        other = rewritings.instead[(len(sentence) + place) % count]
        yield (other if sentence.endswith(_ENDS) else other.rstrip(".")) + quotation


@lru_cache(maxsize=64)
def _judge(principle: Principle) -> RuleJudge:
    return RuleJudge(principle)


@cache
def load_rewritings() -> dict[str, Rewritings]:
    """The rewritings by principle."""
    body = json.loads(FILE.read_text(encoding="utf-8"))
    return {principle: _read(fields) for principle, fields in body.items()}


def _read(fields: dict[str, Any]) -> Rewritings:
    softenings = (Softening(re.compile(one["expression"], re.IGNORECASE), one["replacement"]) for one in fields["softened"])
    return Rewritings(tuple(softenings), tuple(fields["instead"]))
