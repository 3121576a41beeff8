"""What counts as the gate."""

import pytest

from tests.gate import is_gate


@pytest.mark.parametrize(
    ("value", "gate"), [("1", True), ("true", True), ("True", True), ("0", False), ("false", False), ("", False)]
)
def test_only_a_yes_is_a_yes(monkeypatch: pytest.MonkeyPatch, value: str, gate: bool) -> None:
    """Somebody who sets CI=false is not held to what only the gate has."""
    monkeypatch.setenv("CI", value)
    assert is_gate() == gate


def test_without_a_word_it_is_no_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a laptop."""
    monkeypatch.delenv("CI", raising=False)
    assert not is_gate()
