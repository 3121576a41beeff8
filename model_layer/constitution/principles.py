"""The constitution: principles as data, each with its weight, its definition, its expressions and examples.

`data/principles/NAME.json` holds one principle; its `words` are lists that expressions name as `<people>`. A text may be judged
by others too, which come with a request.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "data" / "principles"
NAMES = ("harm_prevention", "truthfulness", "fairness", "autonomy_respect")


@dataclass(frozen=True, slots=True)
class Pattern:
    """An expression that counts against a text, for a reason. Where the sentence also matches `unless`, it does not count.

    Expressions are Python's, read without regard to case; `group` says which kind of violation they find.
    """

    group: str
    expression: str
    reason: str
    unless: str | None = None


@dataclass(frozen=True, slots=True)
class Principle:
    """`weight` is what a violation counts; the examples are one sentence each."""

    name: str
    title: str
    weight: float
    definition: str
    patterns: tuple[Pattern, ...]
    violating_examples: tuple[str, ...] = field(default=())
    clean_examples: tuple[str, ...] = field(default=())


@cache
def load_principles() -> tuple[Principle, ...]:
    """The four principles, in the order of NAMES."""
    return tuple(_read(FOLDER / f"{name}.json") for name in NAMES)


def custom_principle(name: str, title: str, weight: float, definition: str, phrases: Sequence[str]) -> Principle:
    """A principle that any of the phrases violates, as whole words, whatever their case and the white space in them."""
    patterns = (Pattern("phrase", _as_words(phrase), "it holds a phrase that this principle forbids") for phrase in phrases)
    return Principle(name, title, weight, definition, tuple(patterns))


def _as_words(phrase: str) -> str:
    words = r"\s+".join(re.escape(word) for word in phrase.split())
    return rf"(?<!\w){words}(?!\w)"


def _read(path: Path) -> Principle:
    fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    words = _filled_words(fields.pop("words", {}))
    patterns = tuple(_pattern(pattern, words) for pattern in fields.pop("patterns"))
    violating, clean = (tuple(fields.pop(key)) for key in ("violating_examples", "clean_examples"))
    return Principle(**fields, patterns=patterns, violating_examples=violating, clean_examples=clean)


def _pattern(fields: Mapping[str, str], words: Mapping[str, str]) -> Pattern:
    expressions = {key: _filled(fields[key], words) for key in ("expression", "unless") if key in fields}
    return Pattern(**{**fields, **expressions})


def _filled_words(words: Mapping[str, str]) -> dict[str, str]:
    """Each may name those before it."""
    filled: dict[str, str] = {}
    for name, expression in words.items():
        filled[name] = _filled(expression, filled)
    return filled


def _filled(expression: str, words: Mapping[str, str]) -> str:
    return re.sub(r"<([a-z_]+)>", lambda match: words[match[1]], expression)
