"""The example events: each is for one entry point or door of it, and none of these is without one."""

import json
from pathlib import Path
from typing import Any

import pytest

from handler.doors.recognition import DOORS, UnknownEventError, door_of
from tests.template.template import of_type

EVENTS = Path(__file__).parents[2] / "events"
OF_ANOTHER_FUNCTION = {"pre-traffic": "handler.pre_traffic.lambda_handler", "lab-run": "handler.lab_entrypoint.handler"}


def read(path: Path) -> Any:
    """The event in a file."""
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", sorted(EVENTS.glob("*.json")), ids=lambda path: path.stem)
def test_exactly_one_door_knows_an_event(path: Path) -> None:
    """Whatever the order in which doors are asked."""
    known = [is_ours(read(path)) for is_ours, _ in DOORS]
    assert known.count(True) == (path.stem not in OF_ANOTHER_FUNCTION)


def test_every_door_has_an_event() -> None:
    """So that `sam local invoke` can try each."""
    doors = set()
    for path in EVENTS.glob("*.json"):
        if path.stem not in OF_ANOTHER_FUNCTION:
            doors.add(door_of(read(path)))
    assert doors == {handle for _, handle in DOORS}


def test_every_function_has_an_event() -> None:
    """Those of the template that have an entry point of their own, and no event is for one that is not there."""
    commands = [one["ImageConfig"]["Command"] for one in of_type("AWS::Serverless::Function").values() if "ImageConfig" in one]
    assert sorted(commands) == sorted([entry_point] for entry_point in OF_ANOTHER_FUNCTION.values())


@pytest.mark.parametrize("stem", OF_ANOTHER_FUNCTION)
def test_the_event_of_another_function_is_none_of_ours(stem: str) -> None:
    """The function that answers students checks no deployment and trains no model."""
    with pytest.raises(UnknownEventError):
        door_of(read(EVENTS / f"{stem}.json"))
