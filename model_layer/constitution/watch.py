"""What whoever waits for a model is told while it is made."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from model_layer.constitution.plan import Progress

Activity = Literal["preparing", "training", "measuring"]


def _not_told(_: Activity | Progress) -> None:
    """Nobody wants to know."""


def _not_kept() -> None:
    """The working folder itself is all that is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What any of these raises ends the run, which can be taken up again.

    `seconds_left` is asked before every piece of work. `kept` is called when the working folder holds something new to go on
    from, and nothing in it changes meanwhile.
    """

    seconds_left: Callable[[], float]
    activity: Callable[[Activity], None] = _not_told
    progress: Callable[[Progress], None] = _not_told
    kept: Callable[[], None] = _not_kept
