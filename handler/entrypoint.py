"""What Lambda calls: recognises the kind of an event and hands it to its door."""

from typing import Any

from handler.starting import nothing_collected

with nothing_collected():
    from handler.settings import Settings
    from handler.wiring import application

    # The init phase computes at full speed, and no student waits for it.
    at_init = Settings.from_environment().on_lambda
    if at_init:
        application().model()  # opened first: its file is read ahead while the web's side is imported
    from handler.doors import direct, http, queue

    if at_init:
        application().prime()

DOORS = ((http.is_http, http.handle_http), (queue.is_queue, queue.handle_queue), (direct.is_direct, direct.handle_direct))


class UnknownEventError(Exception):
    """Raise when no door knows the kind of an event."""

    def __init__(self) -> None:
        super().__init__("no door of this function knows this kind of event")


def lambda_handler(event: Any, context: Any) -> dict[str, Any]:
    """Answer an event. Raises UnknownEventError."""
    for is_ours, handle in DOORS:
        if is_ours(event):
            return handle(event, context)
    raise UnknownEventError
