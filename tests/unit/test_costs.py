"""What spins cost: by the measured time and the one table of prices, and as DEPLOY.md says."""

from pathlib import Path

import pytest

from benchmarks.costs import measured_ms, prices, spin_costs, table

ROOT = Path(__file__).parents[2]


def test_costs_grow_with_prices_and_time() -> None:
    """Twice every price is twice the sum; twice the time is twice the time's part and nothing else."""
    once = spin_costs(40, prices())
    dearer = spin_costs(40, {name: 2 * dollars for name, dollars in prices().items()})
    assert sum(dearer.values()) == pytest.approx(2 * sum(once.values()))
    slower = spin_costs(80, prices())
    assert slower.pop("Lambda, time") == pytest.approx(2 * once.pop("Lambda, time"))
    assert slower == once


def test_the_document_shows_what_the_command_prints() -> None:
    """With the figures that are measured now."""
    spin_ms = measured_ms("spin_ms")
    shown = "\n".join(table(spin_costs(spin_ms, prices()), spin_ms))
    assert shown in (ROOT / "DEPLOY.md").read_text(encoding="utf-8")
