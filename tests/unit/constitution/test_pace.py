"""What time allows, and when all will be done."""

from model_layer.constitution.pace import Pace


def test_the_pace_knows_what_fits() -> None:
    """The slowest piece and a save, with a margin; what was never measured is guessed from its like."""
    pace = Pace({"sft": [1.0, 2.0], "save": [4.0]}, checkpoint_bytes=10**9)
    assert pace.allows("sft", 9.0)
    assert not pace.allows("sft", 8.9)
    assert pace.allows("dpo", 12.0)
    assert not pace.allows("dpo", 11.9)
    assert pace.eta_s({"sft": 2, "dpo": 1, "bake": 1}) == 2 * 1.5 + 2 * 1.5 + 50


def test_a_fresh_run_needs_the_time_of_a_save() -> None:
    """Before anything was measured, only what writing the checkpoint may take is asked for."""
    pace = Pace({}, checkpoint_bytes=10**9)
    assert pace.allows("score", 30.0)
    assert not pace.allows("score", 29.0)
    with pace.timed("score"):
        pass
    assert pace.allows("score", 30.1)
