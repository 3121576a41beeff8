"""What the README shows is what the service does."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from handler.api.app import create_app
from handler.settings import Settings
from handler.wiring import build

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
DIGITS = 1e-4  # another processor may round the last digits of a float32 product differently


def close(value: Any) -> Any:
    """The value, in which every float may be off by its last digits."""
    if isinstance(value, float):
        return pytest.approx(value, rel=DIGITS)
    if isinstance(value, dict):
        return {name: close(item) for name, item in value.items()}
    return [close(item) for item in value] if isinstance(value, list) else value


def test_the_first_request_gets_the_answer_that_is_shown(tmp_path: Path) -> None:
    """The request of the first page, sent to the bundled model, is answered as printed below it."""
    shown = re.search(r"api/wheel .*?-d '(?P<request>.*?)'\n(?P<answer>\{.*?)\n```", README, re.DOTALL)
    assert shown
    app = create_app(build(Settings(model="storybook", data_folder=tmp_path)))
    answer = TestClient(app).post("/api/wheel", json=json.loads(shown["request"]))
    assert answer.json() == close(json.loads(shown["answer"]))


def test_every_command_is_a_target_of_the_makefile() -> None:
    """Each `make ...` of the README exists."""
    makefile = (Path(__file__).parents[2] / "Makefile").read_text(encoding="utf-8")
    commands = set(re.findall(r"make ([a-z-]+)", README)) - {"sure"}
    assert commands >= {"run", "test", "bake", "check", "bench", "dev"}
    assert commands <= set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))


def test_every_file_that_is_linked_exists() -> None:
    """No link leads nowhere."""
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert links
    assert all((Path(__file__).parents[2] / link).exists() for link in links)
