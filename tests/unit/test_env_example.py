"""The documented environment is the one that is read, and Compose runs the image as it is tested."""

import re
from pathlib import Path
from typing import Any

import yaml

from handler.server import GRACE_S
from handler.settings import Settings

ROOT = Path(__file__).parents[2]
LINES = re.findall(r"^([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)


def test_every_setting_is_documented_once() -> None:
    """In the order of the settings, so that a new one finds its place."""
    assert [name.lower() for name, _ in LINES] == list(Settings.model_fields)


def test_what_is_shown_are_the_defaults() -> None:
    """An environment made of the example changes nothing."""
    assert Settings.from_environment(dict(LINES)) == Settings()


def test_compose_runs_the_web_target_as_hard_as_its_test() -> None:
    """Read-only but for /tmp and the volume, with more time to end than the server takes."""
    service: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]["web"]
    assert service["build"]["target"] == "web"
    assert (service["read_only"], service["tmpfs"], service["cap_drop"]) == (True, ["/tmp"], ["ALL"])
    assert service["volumes"] == ["data:/data"]
    assert int(service["stop_grace_period"].removesuffix("s")) > GRACE_S
    assert {name.lower() for name in service["environment"]} <= set(Settings.model_fields)
