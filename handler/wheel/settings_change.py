"""What a request may change about a wheel's settings, and the limits of each."""

from dataclasses import dataclass, replace

from handler.wheel.errors import SettingOutOfRangeError
from handler.wheel.session import WheelSettings

LOWEST_TEMPERATURE = 0.01
HIGHEST_TEMPERATURE = 100.0
LOWEST_TOP_P = 1e-6
HIGHEST_OTHER_TOP_K = 100


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """The settings that a request gives; None keeps what there was."""

    threshold: float | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    other_top_k: int | None = None

    def applied_to(self, settings: WheelSettings, *, vocab_size: int) -> WheelSettings:
        """The settings after this change. Raises SettingOutOfRangeError for a given value outside its limits, NaN included.

        A top_k kept from a larger vocabulary is cut to this one, where it means the same: no filter.
        """
        return replace(
            settings,
            threshold=_within("threshold", self.threshold, settings.threshold, 0, 1),
            temperature=_within("temperature", self.temperature, settings.temperature, LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE),
            top_k=int(_within("top_k", self.top_k, min(settings.top_k, vocab_size), 0, vocab_size)),
            top_p=_within("top_p", self.top_p, settings.top_p, LOWEST_TOP_P, 1),
            min_p=_within("min_p", self.min_p, settings.min_p, 0, 1),
            other_top_k=int(_within("other_top_k", self.other_top_k, settings.other_top_k, 0, HIGHEST_OTHER_TOP_K)),
        )


def _within(name: str, given: float | None, kept: float, lowest: float, highest: float) -> float:
    if given is None:
        return kept
    if not lowest <= given <= highest:  # so written, NaN fails too
        raise SettingOutOfRangeError(name=name, lowest=lowest, highest=highest)
    return given
