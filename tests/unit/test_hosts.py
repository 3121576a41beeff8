"""The configuration files of managed hosts: each can be read, asks /health, leads to the server's port, and is in DEPLOY.md."""

import json
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import yaml
from botocore.validate import ParamValidator

from handler.settings import Settings

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "deploy").iterdir())
PORT = "8080"
GIVES_THE_PORT = {"railway.json"}  # by $PORT, whatever it is


def read(path: Path) -> Any:
    """A file's content."""
    text = path.read_text(encoding="utf-8")
    readers: dict[str, Callable[[str], Any]] = {".toml": tomllib.loads, ".yaml": yaml.safe_load, ".json": json.loads}
    return readers[path.suffix](text)


def leaves(value: Any) -> Iterator[str]:
    """Every name and every value within, as text."""
    parts = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else None
    if parts is None:
        yield str(value)
    for part in parts or ():
        yield from leaves(part)


def variables(value: Any) -> Iterator[str]:
    """Names that look like environment variables and have a value beside them."""
    if isinstance(value, dict):
        yield from ([value["name"]] if value.keys() == {"name", "value"} else ())
        for name, part in value.items():
            yield from part if name in {"env", "RuntimeEnvironmentVariables"} and isinstance(part, dict) else variables(part)
    if isinstance(value, list):
        for part in value:
            yield from variables(part)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_host_finds_the_server(path: Path) -> None:
    """By its port and its health, with settings that there are."""
    content = list(leaves(read(path)))
    assert any("/health" in leaf for leaf in content)
    assert path.name in GIVES_THE_PORT or PORT in content
    assert {name.lower() for name in variables(read(path))} <= set(Settings.model_fields)


@pytest.mark.parametrize(
    ("service", "operation", "name"),
    [("ecs", "RegisterTaskDefinition", "ecs-task-definition.json"), ("apprunner", "CreateService", "app-runner.json")],
)
def test_aws_takes_what_we_send(service: str, operation: str, name: str) -> None:
    """By the model of the service that the SDK has."""
    shape = botocore.session.get_session().get_service_model(service).operation_model(operation).input_shape
    assert shape is not None
    assert ParamValidator().validate(read(ROOT / "deploy" / name), shape).generate_report() == ""


def test_every_host_has_its_commands() -> None:
    """In DEPLOY.md."""
    text = (ROOT / "DEPLOY.md").read_text(encoding="utf-8")
    assert [path.name for path in FILES if f"deploy/{path.name}" not in text] == []
