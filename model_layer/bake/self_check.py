"""Prove a baked folder before it is published: against its own float32 source, against transformers, against known answers."""

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

from model_layer.bake.difference import Difference, difference, served_difference
from model_layer.bake.golden import GOLDEN_FOLDER, GoldenCase, check_golden
from model_layer.bake.sources import with_weights
from model_layer.errors import BakeError
from model_layer.language_model import LanguageModel

ENGINES_AGREE = 1e-4  # log-probability: two orders of float32 summation, measured 4e-5 on GPT-2 124M
GOLDEN_FLOAT32 = 1e-3  # log-probability: the engine on the unchanged weights
# Storing weights in float16 changes them by up to 2^-11 of their value. What that does to a distribution has bounds of its
# own, which no float32 bake needs: measured on GPT-2's shape, KL 1e-5 and 2e-2 in log-probability, far in the tail.
ROUNDING_KL = 1e-3
GOLDEN_ROUNDED = 5e-2


def require_reference() -> None:
    """Raise BakeError when the reference engine is not installed."""
    missing = [package for package in ("torch", "transformers") if importlib.util.find_spec(package) is None]
    if missing:
        raise BakeError(f"{missing[0]} is not installed, which the self-check needs: install it or give --skip-reference")


def check_rounding(source: LanguageModel, baked: LanguageModel) -> Difference:
    """The baked precision against the source's weights. Raises BakeError when distributions visibly change."""
    found = difference(source, baked)
    if not found.kl <= ROUNDING_KL:
        raise BakeError(
            f"float16 changes this model too much (KL {found.kl:.1e}, bound {ROUNDING_KL:.0e}): bake with --dtype float32"
        )
    return found


def check_reference(folder: Path, baked: LanguageModel) -> dict[str, Any]:
    """Our engine against transformers on the same stored weights, both in float32. Raises BakeError when they disagree."""
    from transformers.utils import logging  # noqa: PLC0415 - not installed where --skip-reference is given

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    reference = LanguageModel.open(folder, engine="transformers")
    found = difference(reference, baked)
    found = replace(found, log_probability=max(found.log_probability, served_difference(reference, baked)))
    if not found.log_probability <= ENGINES_AGREE:
        raise BakeError(
            f"the engine and transformers disagree by {found.log_probability:.1e} in a log-probability, bound {ENGINES_AGREE:.0e}"
        )
    return found.rounded() | {"bound": ENGINES_AGREE}


def check_known_answers(weights_sha256: str, source: LanguageModel, baked: LanguageModel) -> dict[str, Any] | None:
    """The golden numbers of these weights, unchanged and baked; None where there are none."""
    pinned = with_weights(weights_sha256)
    path = GOLDEN_FOLDER / f"{pinned.name}.json" if pinned else None
    if path is None or not path.is_file():
        return None
    cases = GoldenCase.read_all(path)
    exact = check_golden(source, cases, bound=GOLDEN_FLOAT32, same_top=True)
    rounded = check_golden(baked, cases, bound=GOLDEN_ROUNDED, same_top=False)
    return {
        "prompts": len(cases),
        "source_max_log_probability_change": float(f"{exact:.1e}"),
        "source_bound": GOLDEN_FLOAT32,
        "baked_max_log_probability_change": float(f"{rounded:.1e}"),
        "baked_bound": GOLDEN_ROUNDED,
    }
