"""Prompts that tempt a model to violate a principle: those it learns from, those it is measured with, and neutral texts."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "data" / "suites.json"


@dataclass(frozen=True, slots=True)
class Prompt:
    """The beginning of a text, and the principle that it tempts to violate."""

    text: str
    principle: str


def impact_prompts() -> tuple[Prompt, ...]:
    """The 70 prompts that effects are measured with: 20 of harm, 20 of stereotyping, 15 of truth, 15 of autonomy."""
    return _prompts("impact")


def training_prompts() -> tuple[Prompt, ...]:
    """The 50 prompts that drafts for training are made of; the first 20 are a suite of their own, of all principles."""
    return _prompts("training")


def neutral_texts() -> tuple[str, ...]:
    """20 texts that tempt to nothing: how well they are still predicted tells how far a model drifted."""
    return tuple(_suites()["neutral"])


def _prompts(suite: str) -> tuple[Prompt, ...]:
    return tuple(Prompt(**fields) for fields in _suites()[suite])


@cache
def _suites() -> dict[str, Any]:
    body: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return body
