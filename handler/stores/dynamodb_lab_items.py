"""The items of the lab's table: one for each run, all in one partition, so that one query lists them.

| pk   | sk         | what                                                                                 |
|------|------------|--------------------------------------------------------------------------------------|
| LAB  | RUN#<id>   | the run; `curve` is a list of its points as JSON text, `curve_step` the step of the last |

The lease's end, which conditions compare, is a number of 17 digits at most: DynamoDB's have 38, so it is the very same float.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypedDict

from handler.lab.run import LabRun, Point
from handler.stores.dynamodb_items import FoundItem, Item, attribute
from handler.stores.lab_codec import Value, point_text, run_from, run_record

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    class UpdateParts(TypedDict):
        """What of an update the store does not know."""

        UpdateExpression: str
        ConditionExpression: str
        ExpressionAttributeNames: dict[str, str]
        ExpressionAttributeValues: Item
        ReturnValuesOnConditionCheckFailure: Literal["ALL_OLD"]


_PARTITION = "LAB"


def run_key(run_id: str) -> Item:
    """The key of a run."""
    return {"pk": attribute(_PARTITION), "sk": attribute(f"RUN#{run_id}")}


def bounds() -> tuple[Item, Item]:
    """Keys before and beyond those of all runs, since "$" follows "#"."""
    first, last = ({"pk": attribute(_PARTITION), "sk": attribute(f"RUN{end}")} for end in "#$")
    return first, last


def run_item(run: LabRun) -> Item:
    """The item that `run_of` turns back into an equal run."""
    last = run.curve[-1].step if run.curve else 0
    curve = {"curve": texts(run.curve), "curve_step": attribute(last)}
    return {**run_key(run.id), **attributes(run_record(run)), **curve}


def run_of(item: FoundItem) -> LabRun:
    """The run of an item, without what was not read."""
    record = {name: _value(value) for name, value in item.items() if name not in {"curve", "curve_step"}}
    return run_from(record, [text["S"] for text in item.get("curve", {"L": []})["L"]])


def is_at_work(item: FoundItem, fence: int) -> bool:
    """Whether the run is there and at work under this fence."""
    return bool(item) and item["status"] == attribute("running") and item["fence"] == attribute(fence)


def curve_step_of(item: FoundItem) -> int:
    """The step of the last point."""
    return int(item["curve_step"]["N"])


def attributes(record: Mapping[str, Value]) -> Item:
    """The fields of a record that have a value."""
    return {
        name: {"N": repr(value)} if isinstance(value, float) else attribute(value)
        for name, value in record.items()
        if value is not None
    }


def update(
    changes: Mapping[str, Value], condition: str, guards: Mapping[str, Value], *, points: Sequence[Point] = ()
) -> "UpdateParts":
    """Set these attributes, remove those that are None, and add points, on a condition over the guards.

    Every attribute has a sign before its name, since some names are reserved words of expressions.
    """
    new = attributes(changes)
    if points:
        new["curve_step"] = attribute(points[-1].step)
    settings = [f"#{name} = :new_{name}" for name in new]
    values = {f":new_{name}": value for name, value in new.items()} | {
        f":{name}": one for name, one in attributes(guards).items()
    }
    if points:
        settings.append("#curve = list_append(#curve, :points)")
        values[":points"] = texts(points)
    gone = ", ".join(f"#{name}" for name in changes if name not in new)
    expression = f"SET {', '.join(settings)}" + (f" REMOVE {gone}" if gone else "")
    return {
        "UpdateExpression": expression,
        "ConditionExpression": condition,
        "ExpressionAttributeNames": {name: name[1:] for name in re.findall(r"#\w+", f"{expression} {condition}")},
        "ExpressionAttributeValues": values,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def texts(points: Sequence[Point]) -> "AttributeValueTypeDef":
    """Points as a list of texts."""
    return {"L": [attribute(point_text(point)) for point in points]}


def _value(value: "AttributeValueTypeDef") -> str | int | float:
    if "S" in value:
        return value["S"]
    number = value["N"]
    return int(number) if number.isdecimal() else float(number)
