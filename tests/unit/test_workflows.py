"""What runs on GitHub: every action by its commit, and no more rights than a job needs."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

WORKFLOWS = sorted((Path(__file__).parents[2] / ".github" / "workflows").glob("*.yml"))


def jobs(path: Path) -> list[dict[str, Any]]:
    """The jobs of a workflow."""
    return list(yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_and_rights_are_given_one_by_one(path: Path) -> None:
    """A tag can be moved; a workflow has no right that a job does not name."""
    assert yaml.safe_load(path.read_text(encoding="utf-8"))["permissions"] == {}
    for job in jobs(path):
        assert job["permissions"].keys() <= {"contents", "id-token"}
        assert job["permissions"]["contents"] == "read"
        assert ("id-token" in job["permissions"]) == ("environment" in job)
        for step in job["steps"]:
            assert "uses" not in step or re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", step["uses"])
            assert "${{" not in step.get("run", ""), "a value of the event would be read as shell"


def test_the_gate_is_the_one_that_everybody_runs() -> None:
    """GitHub has no steps of its own."""
    (gate,) = jobs(next(path for path in WORKFLOWS if path.stem == "test"))
    assert [step["run"] for step in gate["steps"] if "run" in step] == ["bash .ci/run"]
