"""Wheels of many texts at once, without sessions."""

from collections.abc import Iterator, Sequence

from handler.wheel.prompts import prompt_token_ids
from handler.wheel.session import WheelSettings
from handler.wheel.settings_change import SettingsChange
from handler.wheel.wheel import MAX_SLICES, Wheel, make_wheel
from model_layer.language_model import LanguageModel

SLICES_OF_A_BATCH = 2_000  # of all wheels together: an answer of them stays under a megabyte


def make_wheels(model: LanguageModel, texts: Sequence[str], change: SettingsChange) -> Iterator[Wheel]:
    """One wheel for each text, in order, made as they are taken: each holds its whole distribution.

    The more wheels, the fewer slices each may have; what is cut goes into Other. Everything is checked and
    all logits are computed before this returns, in one batch.

    Raises BlankPromptError, ContextWindowExceededError, SettingOutOfRangeError.
    """
    settings = change.applied_to(WheelSettings(), vocab_size=model.vocab_size)
    logits = model.next_logits_batch([prompt_token_ids(model, text) for text in texts])  # (texts, vocab_size)
    max_slices = min(MAX_SLICES, SLICES_OF_A_BATCH // len(texts))
    return (make_wheel(row, settings, model.token_bytes, max_slices=max_slices) for row in logits)
