"""Plans: how many steps, and which pairs each step shows."""

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from model_layer.constitution.plan import PLANS, QUICK_DEMO, STANDARD


def test_the_two_plans_are_known_by_their_names() -> None:
    """Twenty prompts twice, fifty prompts five times."""
    assert {"quick_demo": QUICK_DEMO, "standard": STANDARD} == PLANS
    assert (QUICK_DEMO.steps(QUICK_DEMO.prompts), STANDARD.steps(STANDARD.prompts)) == (10, 63)


@given(pairs=st.integers(1, 30), batch=st.integers(1, 8), epochs=st.integers(1, 4))
def test_every_epoch_shows_each_pair_once(pairs: int, batch: int, epochs: int) -> None:
    """However the batches fall over the epochs, in an order that depends on seed, phase and step alone."""
    plan = replace(QUICK_DEMO, batch=batch, epochs=epochs)
    for phase in ("sft", "dpo"):
        shown = [index for step in range(plan.steps(pairs)) for index in plan.batch_of(step, pairs=pairs, phase=phase)]
        for epoch in range(epochs):
            assert sorted(shown[epoch * pairs : (epoch + 1) * pairs]) == list(range(pairs))
        assert Counter(shown) == dict.fromkeys(range(pairs), epochs)


def test_orders_differ_by_seed_epoch_and_phase() -> None:
    """The same pairs are not met in the same order again."""
    plan = replace(QUICK_DEMO, batch=20)
    orders = [
        tuple(one.batch_of(step, pairs=20, phase=phase))
        for one in (plan, replace(plan, seed=21))
        for step in range(2)
        for phase in ("sft", "dpo")
    ]
    assert len(set(orders)) == len(orders) == 8
