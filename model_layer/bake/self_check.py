"""Prove a baked folder before it is published: against its own float32 source, against transformers, against known answers."""

import importlib.util
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from model_layer.bake.difference import Difference, difference, served_difference
from model_layer.bake.golden import GOLDEN_FOLDER, GoldenCase, check_golden
from model_layer.bake.sources import with_weights
from model_layer.errors import BakeError
from model_layer.language_model import LanguageModel

ENGINES_AGREE = 1e-4  # log-probability: two orders of float32 summation, measured 4e-5 on GPT-2 124M
GOLDEN_FLOAT32 = 1e-3  # log-probability: the engine on the unchanged weights
TARGET_MEAN_KL = 5e-3  # beyond it a bake warns. Slices then move by up to 5 % of the wheel: sqrt(KL / 2), Pinsker's inequality

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What storing weights in a precision may do to distributions: KL in nats at the worst context, change of a known answer."""

    kl: float
    golden: float


# float16 changes weights by up to 2^-11 of their value: measured on GPT-2's shape, KL 1e-5 and 2e-2 in log-probability, far in
# the tail. int8: KL 6e-3 at the worst context and 0.6; at a KL of 5e-2 slices move by up to a sixth of the wheel, so that
# students would meet another model.
ROUNDED: Mapping[str, Bounds] = {
    "float32": Bounds(kl=1e-3, golden=5e-2),
    "float16": Bounds(kl=1e-3, golden=5e-2),
    "int8": Bounds(kl=5e-2, golden=1.0),
}


def require_reference() -> None:
    """Raise BakeError when the reference engine is not installed."""
    missing = [package for package in ("torch", "transformers") if importlib.util.find_spec(package) is None]
    if missing:
        raise BakeError(f"{missing[0]} is not installed, which the self-check needs: install it or give --skip-reference")


def check_rounding(source: LanguageModel, baked: LanguageModel, dtype: str) -> Difference:
    """The baked precision against the source's weights. Raises BakeError when distributions visibly change."""
    found, bound = difference(source, baked), ROUNDED[dtype].kl
    if not found.max_kl <= bound:
        better = "float16 or float32" if dtype == "int8" else "float32"
        raise BakeError(
            f"{dtype} changes this model too much (KL {found.max_kl:.1e}, bound {bound:.0e}): bake with --dtype {better}"
        )
    if found.mean_kl > TARGET_MEAN_KL:
        log.warning("WARNING: %s changes this model visibly: mean KL %.1e, wanted %.0e", dtype, found.mean_kl, TARGET_MEAN_KL)
    return found


def check_reference(folder: Path, baked: LanguageModel) -> dict[str, Any]:
    """Our engine against transformers on the same stored weights, both computing in float32.

    Raises BakeError when they disagree.
    """
    from transformers.utils import logging as transformers_logging  # noqa: PLC0415 - not there with --skip-reference

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    reference = LanguageModel.open(folder, engine="transformers")
    found = difference(reference, baked)
    change = max(found.max_log_probability_change, served_difference(reference, baked))
    if not change <= ENGINES_AGREE:
        raise BakeError(f"the engine and transformers disagree by {change:.1e} in a log-probability, bound {ENGINES_AGREE:.0e}")
    return replace(found, max_log_probability_change=change).rounded() | {"bound": ENGINES_AGREE}


def check_known_answers(weights_sha256: str, source: LanguageModel, baked: LanguageModel, dtype: str) -> dict[str, Any] | None:
    """The golden numbers of these weights, unchanged and baked; None where there are none."""
    pinned = with_weights(weights_sha256)
    path = GOLDEN_FOLDER / f"{pinned.name}.json" if pinned else None
    if path is None or not path.is_file():
        return None
    cases = GoldenCase.read_all(path)
    exact = check_golden(source, cases, bound=GOLDEN_FLOAT32, same_top=True)
    rounded = check_golden(baked, cases, bound=ROUNDED[dtype].golden, same_top=False)
    return {
        "prompts": len(cases),
        "source_max_log_probability_change": float(f"{exact:.1e}"),
        "source_bound": GOLDEN_FLOAT32,
        "baked_max_log_probability_change": float(f"{rounded:.1e}"),
        "baked_bound": ROUNDED[dtype].golden,
    }
