"""Wheels of many texts at once, without sessions."""

from collections.abc import Iterator, Sequence

from handler.wheel.prompts import prompt_token_ids
from handler.wheel.session import WheelSettings
from handler.wheel.settings_change import SettingsChange
from handler.wheel.wheel import Wheel, make_wheel
from model_layer.language_model import LanguageModel


def make_wheels(model: LanguageModel, texts: Sequence[str], change: SettingsChange) -> Iterator[Wheel]:
    """One wheel for each text, in order, made as they are taken: each holds its whole distribution.

    Everything is checked and all logits are computed before this returns, in one batch. Raises BlankPromptError,
    ContextWindowExceededError, SettingOutOfRangeError.
    """
    settings = change.applied_to(WheelSettings(), vocab_size=model.vocab_size)
    logits = model.next_logits_batch([prompt_token_ids(model, text) for text in texts])  # (texts, vocab_size)
    return (make_wheel(row, settings, model.token_bytes) for row in logits)
