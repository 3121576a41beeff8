"""Which door an event belongs to."""

from collections.abc import Callable
from typing import Any

from handler.doors import direct, http, queue, warm_up

Door = Callable[[dict[str, Any], Any], dict[str, Any]]

DOORS: tuple[tuple[Callable[[object], bool], Door], ...] = (
    (http.is_http, http.handle_http),
    (queue.is_queue, queue.handle_queue),
    (warm_up.is_warm_up, warm_up.handle_warm_up),
    (direct.is_direct, direct.handle_direct),
)


class UnknownEventError(Exception):
    """Raise when no door knows the kind of an event."""

    def __init__(self) -> None:
        super().__init__("no door of this function knows this kind of event")


def door_of(event: object) -> Door:
    """What answers such an event. Raises UnknownEventError."""
    for is_ours, handle in DOORS:
        if is_ours(event):
            return handle
    raise UnknownEventError
