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
    from handler.doors.recognition import door_of

    if at_init:
        application().prime()


def lambda_handler(event: Any, context: Any) -> dict[str, Any]:
    """Answer an event. Raises UnknownEventError."""
    return door_of(event)(event, context)
