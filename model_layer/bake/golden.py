"""Known answers of the real GPT-2: log-probabilities published by others, that our engine must find on the same weights."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from model_layer.bake.difference import log_probabilities
from model_layer.errors import BakeError
from model_layer.language_model import LanguageModel

GOLDEN_FOLDER = Path(__file__).parent / "golden"


@dataclass(frozen=True, slots=True)
class GoldenCase:
    """A prompt, its token ids, the ids of its most probable next tokens, and the log-probabilities known of them and others."""

    prompt: str
    token_ids: tuple[int, ...]
    top: tuple[int, ...]
    log_probabilities: dict[int, float]

    @classmethod
    def read_all(cls, path: Path) -> list[Self]:
        """The cases of a golden file."""
        return [
            cls(
                case["prompt"],
                tuple(case["token_ids"]),
                tuple(entry["token_id"] for entry in case["top"]),
                {entry["token_id"]: entry["log_probability"] for entry in [*case["top"], *case["tail"]]},
            )
            for case in json.loads(path.read_text(encoding="utf-8"))["cases"]
        ]


def check_golden(model: LanguageModel, cases: Sequence[GoldenCase], *, bound: float, same_top: bool) -> float:
    """The greatest change of a known log-probability, in nats.

    Raises BakeError when it is not within `bound`, when the text is cut into other tokens, or when `same_top` is wanted and the
    most probable tokens are others.
    """
    return max(_check_case(model, case, number, bound=bound, same_top=same_top) for number, case in enumerate(cases, start=1))


def _check_case(model: LanguageModel, case: GoldenCase, number: int, *, bound: float, same_top: bool) -> float:
    if tuple(model.encode(case.prompt)) != case.token_ids:
        raise BakeError(f"golden prompt {number}: the tokenizer gives other token ids than the real one")
    found = log_probabilities(model, case.token_ids)[-1]  # (vocab_size,)
    change = max(abs(float(found[token_id]) - known) for token_id, known in case.log_probabilities.items())
    if not change <= bound:
        raise BakeError(f"golden prompt {number}: a log-probability is off by {change:.1e}, over the bound of {bound:.0e}")
    top = np.argsort(-found, kind="stable")[: len(case.top)]
    if same_top and set(top.tolist()) != set(case.top):
        raise BakeError(f"golden prompt {number}: the {len(case.top)} most probable tokens are others")
    return change
