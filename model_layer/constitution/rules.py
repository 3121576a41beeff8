"""A principle's expressions as a judge: which places of a text count against it, and why."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from model_layer.constitution.principles import Pattern, Principle

# A sentence ends at its punctuation or line; what excuses a match must stand in the same one.
_BORDERS = ".!?\n"
# Expressions try a match from many places of a word, and each walks to its end: what is longer is no word.
LONGEST_WORD = 60
_TOO_LONG = re.compile(rf"[\w'\u2019-]{{{LONGEST_WORD + 1},}}")
_LONGEST_SENTENCE = 400  # characters to either side that are looked at for an excuse


@dataclass(frozen=True, slots=True)
class Span:
    """`text[start:end]`, found by a pattern of a group."""

    start: int
    end: int
    group: str
    reason: str


class RuleJudge:
    """Finds the places of a text that match a principle's expressions. The same text always gives the same places."""

    def __init__(self, principle: Principle) -> None:
        """Compile the expressions."""
        self._patterns = [(pattern, _compiled(pattern.expression), _excuse(pattern)) for pattern in principle.patterns]

    def spans(self, text: str) -> list[Span]:
        """All places, in order, none within another."""
        masked = _TOO_LONG.sub(lambda word: "\x00" * len(word[0]), text)  # of the same length: places stay what they are
        found = sorted(self._all(masked), key=lambda span: (span.start, -span.end))
        outer: list[Span] = []
        for span in found:
            if not outer or span.end > outer[-1].end:
                outer.append(span)
        return outer

    def _all(self, text: str) -> Iterator[Span]:
        for pattern, expression, excuse in self._patterns:
            for match in expression.finditer(text):
                if match.end() > match.start() and not (excuse and excuse.search(_sentence_of(text, *match.span()))):
                    yield Span(match.start(), match.end(), pattern.group, pattern.reason)


def _compiled(expression: str) -> re.Pattern[str]:
    return re.compile(expression, re.IGNORECASE)


def _excuse(pattern: Pattern) -> re.Pattern[str] | None:
    return None if pattern.unless is None else _compiled(pattern.unless)


def _sentence_of(text: str, start: int, end: int) -> str:
    before, after = max(0, start - _LONGEST_SENTENCE), min(len(text), end + _LONGEST_SENTENCE)
    begin = max(text.rfind(border, before, start) for border in _BORDERS) + 1
    ends = (text.find(border, end, after) for border in _BORDERS)
    return text[max(begin, before) : min((place for place in ends if place >= 0), default=after)]
