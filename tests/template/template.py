"""template.yaml as Python values, with CloudFormation's functions as `{"Ref": ...}`, `{"Fn::GetAtt": ...}` and so on."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]


class _Loader(yaml.SafeLoader):
    """Reads the short forms, such as `!Ref Name`."""


def _function(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _function)


def template() -> dict[str, Any]:
    """The whole template."""
    content: dict[str, Any] = yaml.load((ROOT / "template.yaml").read_text(encoding="utf-8"), _Loader)
    return content


def properties(name: str) -> dict[str, Any]:
    """The properties of a resource."""
    found: dict[str, Any] = template()["Resources"][name]["Properties"]
    return found


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    """The properties of all resources of a type, by name."""
    return {name: one["Properties"] for name, one in template()["Resources"].items() if one["Type"] == kind}


def variables(function: str) -> dict[str, Any]:
    """The environment of a function, with what all functions have."""
    own = properties(function)["Environment"]["Variables"]
    shared = template()["Globals"]["Function"]["Environment"]["Variables"]
    return {**shared, **own}


def statements() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement of every policy that a role of ours has, with the resource it stands in."""
    for name, one in template()["Resources"].items():
        for document in _documents(one["Properties"]):
            yield from ((name, statement) for statement in document["Statement"])


def _documents(given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "PolicyDocument" in given:
        yield given["PolicyDocument"]
    yield from (policy["PolicyDocument"] for policy in given.get("Policies", []))


def texts(value: Any) -> list[str]:
    """All texts within a value, through CloudFormation's functions."""
    if isinstance(value, dict):
        return [text for part in value.values() for text in texts(part)]
    if isinstance(value, list):
        return [text for part in value for text in texts(part)]
    return [value] if isinstance(value, str) else []


def context_names(text: str) -> set[str]:
    """The variables of API Gateway's context that a log format names."""
    return set(re.findall(r"\$context\.([A-Za-z.]+)", text))
