"""template.yaml as Python values, with CloudFormation's functions as `{"Ref": ...}`, `{"Fn::GetAtt": ...}` and so on."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
NO_VALUE = {"Ref": "AWS::NoValue"}


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


def resources(**given: str) -> dict[str, Any]:
    """The resources that a stack with these parameters has, and the defaults of others; every `Fn::If` is decided."""
    whole = template()
    parameters = {name: str(given.get(name, one["Default"])) for name, one in whole["Parameters"].items()}
    truths = {name: _holds(condition, parameters) for name, condition in whole["Conditions"].items()}
    there = {name: one for name, one in whole["Resources"].items() if truths.get(one.get("Condition"), True)}
    decided: dict[str, Any] = _decided(there, truths)
    return decided


def _holds(condition: Mapping[str, Any], parameters: Mapping[str, str]) -> bool:
    ((name, arguments),) = condition.items()
    if name == "Fn::Not":
        return not _holds(arguments[0], parameters)
    assert name == "Fn::Equals", name
    left, right = (parameters[one["Ref"]] if isinstance(one, dict) else str(one) for one in arguments)
    return left == right


def _decided(value: Any, truths: Mapping[str, bool]) -> Any:
    if isinstance(value, list):
        return [part for part in (_decided(one, truths) for one in value) if part != NO_VALUE]
    if not isinstance(value, dict):
        return value
    if "Fn::If" in value:
        name, yes, no = value["Fn::If"]
        return _decided(yes if truths[name] else no, truths)
    parts = {key: _decided(one, truths) for key, one in value.items()}
    return parts if parts == NO_VALUE else {key: part for key, part in parts.items() if part != NO_VALUE}


def properties(name: str) -> dict[str, Any]:
    """The properties of a resource."""
    found: dict[str, Any] = template()["Resources"][name]["Properties"]
    return found


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    """The properties of all resources of a type, by name."""
    return {name: one["Properties"] for name, one in template()["Resources"].items() if one["Type"] == kind}


def variables(function: str, **parameters: str) -> dict[str, Any]:
    """The environment of a function of a stack with these parameters, with what all functions have."""
    own = resources(**parameters)[function]["Properties"]["Environment"]["Variables"]
    shared = template()["Globals"]["Function"]["Environment"]["Variables"]
    return {**shared, **own}


def plain(value: Any) -> str:
    """A variable's value as a text: a parameter's default, and `xxx` for what AWS alone knows."""
    if isinstance(value, str):
        return value
    if "Fn::Sub" in value:
        return re.sub(r"\$\{.*?\}", "xxx", value["Fn::Sub"])
    return str(template()["Parameters"].get(value.get("Ref"), {"Default": "xxx"})["Default"]) if "Ref" in value else ""


def statements() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement of every policy that a role of ours has, with the role."""
    for name, one in template()["Resources"].items():
        if one["Type"].startswith("AWS::IAM::"):
            for role in _roles(name, one["Properties"]):
                for document in _documents(one["Properties"]):
                    yield from ((role, statement) for statement in document["Statement"])


def _roles(name: str, given: Mapping[str, Any]) -> list[str]:
    """The roles that a resource of IAM is, or gives a policy to."""
    refs = given.get("Roles", [given["RoleName"]] if "RoleName" in given else [])
    return [ref["Ref"] for ref in refs] or [name]


def _documents(given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if "PolicyDocument" in given:
        yield given["PolicyDocument"]
    yield from (policy["PolicyDocument"] for policy in given.get("Policies", []))


def granted(role: str, service: str) -> dict[str, set[str]]:
    """What a role may do with a service: the resources, as texts, by action."""
    found: dict[str, set[str]] = {}
    for name, statement in statements():
        for action in texts([statement["Action"]]):
            if name == role and action.startswith(f"{service}:"):
                found.setdefault(action, set()).update(texts([statement["Resource"]]))
    return found


def referred(value: Any) -> set[str]:
    """The names of parameters and resources that a value refers to."""
    if isinstance(value, list):
        return {name for part in value for name in referred(part)}
    if not isinstance(value, dict):
        return set()
    direct = [value.get("Ref", "").split(".")[0], *re.findall(r"\$\{([A-Za-z]+)[.}]", value.get("Fn::Sub", ""))]
    attribute = value.get("Fn::GetAtt", "").split(".")[0]
    return {name for name in (*direct, attribute) if name} | referred(list(value.values()))


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
